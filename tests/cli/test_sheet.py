"""The translator's sheet before there is any dub, and the way back."""

from __future__ import annotations

import csv

import pytest
import rtoml

from dubkit.speech import rttm
from dubkit.speech.turns import make_turns
from tests.media.recipes import make_film


@pytest.fixture
def film(tmp_path):
    rttm.save(tmp_path / "film.rttm", make_turns([(0.2, 0.8, "ana"), (1.0, 1.8, "ben")]), "film")
    return make_film(tmp_path / "film.mp4", frames=50)


SET = ("--set", 'speech.diarization="film.rttm"', "--set", "speech.transcriber=none")


def test_a_film_becomes_a_sheet_and_a_project_that_speaks_it(dubkit, film, tmp_path):
    done = dubkit("sheet", film, "--to", "es", *SET)
    assert done.code == 0, done.err
    assert "wrote" in done.out and "fill its last column, then: dubkit dub" in done.out
    with (tmp_path / "film.es.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["line"], row["speaker"], row["start"], row["target"]) for row in rows] == [
        ("t0001", "ana", "0.200", ""), ("t0002", "ben", "1.000", "")]  # fmt: skip
    assert 'subtitles = "film.es.csv"' in (tmp_path / "film.dub.toml").read_text()
    assert "may be filled in" in dubkit("sheet", film, "--to", "es", *SET).words
    again = dubkit("sheet", tmp_path / "film.dub.toml", "-o", "film.tsv")
    assert again.code == 0 and (tmp_path / "film.tsv").read_text("utf-8-sig").count("\t") == 15
    assert "for this sheet alone" not in again.out


def test_the_settings_of_a_sheet_stay_with_the_project_that_it_makes(dubkit, film, tmp_path):
    assert "speech.merge_gap" in dubkit("sheet", film, "--to", "es", "--set", "speech.merge_gaps=1").words
    assert not (tmp_path / "film.dub.toml").exists() and not (tmp_path / "film.es.csv").exists()
    assert dubkit("sheet", film, "--to", "es", *SET).code == 0
    written = rtoml.loads((tmp_path / "film.dub.toml").read_text("utf-8"))
    assert written["settings"] == {"speech": {"diarization": "film.rttm", "transcriber": "none"}}
    rttm.save(tmp_path / "other.rttm", make_turns([(0.5, 1.5, "eva")]), "film")
    other = dubkit("sheet", "film.dub.toml", "-o", "other.csv", "--set", "speech.diarization=other.rttm")
    assert other.code == 0 and "for this sheet alone" in other.out
    assert "eva" in (tmp_path / "other.csv").read_text("utf-8-sig")
    assert rtoml.loads((tmp_path / "film.dub.toml").read_text("utf-8")) == written


def test_what_is_missing_is_said_and_nothing_is_left_behind(dubkit, film, tmp_path):
    assert "--to is missing" in dubkit("sheet", film).words
    assert "a sheet ends in .csv or .tsv" in dubkit("sheet", film, "--to", "es", "-o", "a.doc").words
    assert "it becomes the translation" in dubkit("sheet", film, "--to", "es", "-o", "a.srt").words
    (tmp_path / "text.mp4").write_text("no film")
    assert dubkit("sheet", "text.mp4", "--to", "es").code == 2
    assert not list(tmp_path.glob("*.csv"))
