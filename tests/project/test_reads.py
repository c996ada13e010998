"""Where the films go: never over a file that is read, never over each other."""

import pytest

from dubkit.errors import ProjectError, SettingsError
from dubkit.project import layers, reads, schema
from dubkit.project.pipeline import Pipeline

PROJECT = """schema = "dubkit.project/1"
[source]
film = "film.mp4"
[target.es]
dialogue = "es.m4a"
[target.fr]
dialogue = "fr.m4a"
"""


def pipeline(folder, more: str) -> Pipeline:
    for name in ("film.mp4", "es.m4a", "fr.m4a"):
        (folder / name).write_text(name)
    (folder / "film.dub.toml").write_text(PROJECT + more)
    file = schema.load(folder / "film.dub.toml")
    return Pipeline(file, layers.merged(file)[0])


@pytest.mark.parametrize(
    ("more", "over"),
    [
        ('output = "film.mp4"', "source.film"),
        ('[output]\nname = "{name}"', "source.film"),
        ('[output]\nname = "dubbed"', "the film of 'es'"),
        ('output = "other/../Film.ES.mp4"', "the film of 'es'"),
    ],
)
def test_a_dub_is_never_written_over_what_is_read_or_another_dub(tmp_path, more, over):
    with pytest.raises(ProjectError, match=f"would be written over {over}"):
        pipeline(tmp_path, more).run()
    with pytest.raises(ProjectError, match=f"would be written over {over}"):
        pipeline(tmp_path, more).bring("render", "es")
    assert not (tmp_path / "film.dubkit").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[settings.render]\naudio_codec = 'pcm'", "sound as pcm does not go into .mp4"),
        ("[settings.render]\nquality = 60", "CRF of 0 to 51"),
        ("output = 'dub.mxf'", "must end in one of"),
        ("output = 'dub.mp4'\n[settings.render]\ncodec = 'prores'", "prores does not go into .mp4"),
    ],
)
def test_a_film_that_could_not_be_written_is_refused_before_any_work(tmp_path, more, words):
    made = pipeline(tmp_path, more)
    with pytest.raises(SettingsError, match=words):
        made.run(["fr"])
    with pytest.raises(SettingsError, match=words):
        made.bring("ingest", "fr")
    assert not (tmp_path / "film.dubkit").exists()
    if "output" in more:  # of the last language alone
        reads.check_outputs(made.project, made.settings, ["es"] if "codec" not in more else [])


def test_a_preset_of_the_encoder_that_does_not_exist_is_named():
    with pytest.raises(SettingsError, match="render.speed = 'fasst'.*'veryfast'"):
        layers.merged(None, flags={"render.speed": "fasst"})


def test_a_dub_is_never_written_over_the_film_by_a_link(tmp_path):
    made = pipeline(tmp_path, 'output = "link.mp4"')
    try:
        (tmp_path / "link.mp4").hardlink_to(tmp_path / "film.mp4")
    except OSError as error:
        pytest.skip(f"no hard links here: {error}")
    with pytest.raises(ProjectError, match="would be written over source.film"):
        made.run()
