"""``dubkit batch`` as a person and a program meet it: plan, run, status, report, exit codes. The films do not exist."""

import json

import pytest
from typer.testing import CliRunner

from dubkit.cli.app import app


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("title,film,language,dialogue\none,one.mp4,es,one.flac\none,one.mp4,fr,one.flac\n")
    return path


def dubkit(*words):
    return CliRunner().invoke(app, ["batch", *map(str, words)])


def test_plan_says_what_would_run_and_runs_nothing(catalogue):
    done = dubkit("plan", catalogue)
    assert done.exit_code == 0, done.output
    for word in ("one", "es fr", "to do", "prepare", "lips", "processor time", "GiB are free"):
        assert word in done.output
    assert not (catalogue.parent / "c.batch" / "one.dubkit").exists()
    assert "waiting 2" in dubkit("status", catalogue).output


def test_a_run_that_fails_says_so_in_every_way(catalogue):
    done = dubkit(catalogue, "--progress", "json", "--workers", 1)
    assert done.exit_code == 1
    (event,) = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    assert (event["title"], event["step"], event["language"], event["kind"]) == ("one", "prepare", None, "failed")
    assert "one.mp4" in event["text"]
    assert "failed 2" in dubkit("status", catalogue).output
    assert "one.mp4" in (catalogue.parent / "c.batch" / "report.html").read_text()
    assert dubkit("report", catalogue).exit_code == 0


@pytest.mark.parametrize("command", ["status", "report"])
def test_before_a_run(catalogue, command):
    done = dubkit(command, catalogue)
    assert "nothing has been planned or run yet" in str(done.exception)
    assert "no catalogue at" in str(dubkit(command, catalogue.with_name("other.csv")).exception)
    assert [path.name for path in catalogue.parent.iterdir()] == ["c.csv"], "nothing is made by a question"


def test_a_bad_catalogue_leaves_nothing_behind(catalogue):
    catalogue.write_text("titel,film\n")
    for command in ("plan", "run"):
        assert "titel" in str(dubkit(command, catalogue).exception)
    assert [path.name for path in catalogue.parent.iterdir()] == ["c.csv"]


def test_plan_names_films_that_are_not_there(catalogue):
    said = dubkit("plan", catalogue).output
    assert "films that are not there or cannot be opened: one" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "cray"), "local, ray"),
        (("--progress", "loud"), "auto, table, log, json, none"),
        (("--address", "10.0.0.5:6379"), "use --engine ray"),
    ],
)
def test_wrong_words_are_named(catalogue, words, said):
    done = dubkit(catalogue, *words)
    assert done.exit_code != 0
    assert said in str(done.exception)
