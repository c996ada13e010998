"""Catalogues: TOML and CSV say the same, and errors name the key or the row."""

import pytest

from dubkit.batch.catalog import parse_csv, parse_toml
from dubkit.errors import ProjectError

TOML = """
schema = "dubkit.catalogue/1"
language = "en"
preset = "draft"
[settings.lips]
crossfade = 3
[[title]]
title = "one"
film = "one.mp4"
[title.target.es]
dialogue = "one.es.flac"
[title.target.fr]
subtitles = "one.fr.srt"
[[title]]
title = "two"
film = "sub/two.mp4"
priority = 5
settings.lips.batch_size = 2
target.es.stems = { ANA = "ana.flac" }
"""


def test_csv_says_the_same():
    text = "title;film;language;dialogue;subtitles;stems;priority\none;one.mp4;es;one.es.flac;;;\none;one.mp4;fr;;one.fr.srt;;\n"
    catalogue = parse_csv(text + "two;sub/two.mp4;es;;;ANA=ana.flac; BEN=ben.flac;5\n".replace("; BEN=ben.flac", ""))
    assert [t.title for t in catalogue.title] == ["one", "two"]
    assert set(catalogue.title[0].target) == {"es", "fr"}
    assert catalogue.title[1].priority == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title,film,langauge\na,a.mp4,es\n", ["language", "langauge"]),
        ("title,film,language,dialogue\na,a.mp4,es,x\na,a.mp4,es,y\n", ["row 3", "two rows for 'es'"]),
        ("title,film,language,dialogue\na,a.mp4,es,x\na,b.mp4,fr,y\n", ["row 3", "another film"]),
        ("title,film,language,dialogue\na/b,a.mp4,es,x\n", ["a/b", "file name"]),
        ("title,film,language,dialogue\na,a.mp4,,x\n", ["title 'a'", "language ''"]),
        ("title,film,language,dialogue\n,a.mp4,es,x\n", ["row 2", "'title' is empty"]),
        ("title,film,language,dialogue,priority\na,a.mp4,es,x,high\n", ["title 'a'", "priority", "'high'"]),
        ("", ["columns"]),
        ("title\na\n", ["columns"]),
        (
            "title;film;language;dialogue\na;a.mp4;es;x\na;a.mp4;fr;\n",
            ["title 'a'", "target.fr", "needs at least one of"],
        ),
        ("title;film;language;stems\na;a.mp4;es;ANA=a.wav; BEN=b.wav\n", ["row 2", "more cells than columns"]),
        ("title,film,language,stems\na,a.mp4,es,ANA=a.wav; BEN\n", ["row 2", "ANA=ana.flac; BEN=ben.flac", "'BEN'"]),
    ],
)
def test_csv_errors_name_the_row(text, words):
    with pytest.raises(ProjectError) as error:
        parse_csv(text, "c.csv")
    for word in ["c.csv", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: t.replace('film = "one.mp4"', 'flim = "one.mp4"'),
            ["title 'one'", "title.0.flim", "did you mean 'film'"],
        ),
        (lambda t: t.replace('"two"', '"ONE"'), ["two titles"]),
        (lambda t: t.replace("catalogue/1", "catalogue/2"), ["schema"]),
        (lambda t: t.replace("priority = 5", 'project = "x.dub.toml"'), ["either 'film' or 'project'"]),
        (lambda t: t.replace('language = "en"', 'output = "{titel}"'), ["output", "{title}", "titel"]),
        (lambda t: t.replace("[settings.lips]", "[resources.lisp]\ncpus = 2\n[settings.lips]"), ["lisp", "faces"]),
        (
            lambda t: t.replace("[settings.lips]", "[resources.lips]\ncpus = 0\n[settings.lips]"),
            ["resources.lips.cpus"],
        ),
        (lambda t: t + "=", ["not valid TOML"]),
        (
            lambda t: t + "[[title]]\ntitle = 'three'\nproject = 'x.dub.toml'\npreset = 'film'\n",
            ["'three'", "preset belong there"],
        ),
        (
            lambda t: t.replace('language = "en"', 'output = "{title}"'),
            ["'one' in 'fr'", "over 'one' in 'es'", "go to one"],
        ),
        (
            lambda t: t.replace('language = "en"', 'output = "{film}.{language}"').replace(
                "sub/two.mp4", "sub/ONE.mov"
            ),
            ["'two' in 'es'", "over 'one' in 'es'", "go to ONE.es"],
        ),
    ],
)
def test_toml_errors_name_the_key(change, words):
    with pytest.raises(ProjectError) as error:
        parse_toml(change(TOML), "c.toml")
    for word in ["c.toml", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "film",
    [
        "https://v/one.mp4?X-Amz-Signature=a/b.c#d",
        "sub/one.mp4",
        r"C:\\films\\one.mp4",
        "s3://vault/one.mov",
        "sub/one",
    ],
)
def test_a_film_gives_its_name_to_its_dubs(film):
    catalogue = parse_toml(
        TOML.replace('"one.mp4"', f'"{film}"').replace('language = "en"', 'output = "{film}.{language}"')
    )
    assert catalogue.output_of(catalogue.title[0], "es") == "one.es"


@pytest.mark.parametrize("title", ["शोले", "ฉลาดเกมส์โกง", "Cafe\u0301 2", "7 años (1)"])
def test_titles_in_any_script(title):
    assert parse_toml(TOML.replace('"two"', f'"{title}"')).title[1].title == title


def test_csv_as_spreadsheets_write_it():
    text = 'title;film;language;stems;dialogue\r\none;"a ""b"".mp4";es;"ANA=a.wav; BEN=b.wav;";\r\none;;fr;;fr.wav;;\r\n;;;;\r\n'
    title = parse_csv(text).title[0]
    assert title.film == 'a "b".mp4'
    assert title.target["es"].stems == {"ANA": "a.wav", "BEN": "b.wav"}
    assert title.target["fr"].dialogue == "fr.wav"
