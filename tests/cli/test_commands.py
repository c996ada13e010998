"""The commands as a careless user meets them: quick help, one-line errors, exit codes, no traceback."""

import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from dubkit.media.audio import write_audio
from tests.media.recipes import make_film


def dubkit(*words, cwd=None):
    done = subprocess.run([sys.executable, "-m", "dubkit", *map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_help_lists_the_commands():
    shown = dubkit("--help").stdout
    for command in (
        "new",
        "dub",
        "status",
        "settings",
        "cast",
        "models",
        "doctor",
        "demo",
        "batch",
        "nle",
        "resolve",
        "evaluate",
    ):
        assert command in shown


def test_settings_say_where_from():
    shown = dubkit("settings", "--preset", "film", "--set", "lips.crossfade=5", "--changed").stdout
    assert "preset film" in shown
    assert "flag" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["dub", "none.dub.toml"], 2, "dubkit new"),
        (["new", "none.mp4", "--to", "es"], 2, "none.mp4"),
        (["new", "text.mp4", "--to", "es", "--dialogue", "text.mp4"], 2, "text.mp4"),
        (["settings", "--set", "lips.crosfade=1"], 2, "did you mean 'crossfade'"),
        (["settings", "--set", "nonsense"], 2, "SECTION.KEY=VALUE"),
        (["settings", "--preset", "nope"], 2, "draft"),
        (["status", "broken.dub.toml"], 2, "source.flim"),
        (["dub", "lost.dub.toml"], 2, "gone.mp4"),
        (["batch", "none.toml"], 2, "none.toml"),
        (["nle", "dub", "cut.xyz", "-o", "out.otio", "--to", "es", "--track", "Dub"], 2, ".xyz"),
        (["evaluate", "speech", "none.rttm", "none.rttm"], 2, "none.rttm"),
    ],
)
def test_errors_are_one_message_and_a_code(tmp_path, words, code, said):
    (tmp_path / "text.mp4").write_text("this is not a film")
    (tmp_path / "cut.xyz").write_text("")
    target = '[target.es]\ndialogue = "x.flac"\n'
    (tmp_path / "broken.dub.toml").write_text(f'schema = "dubkit.project/1"\n[source]\nflim = "a"\n{target}')
    (tmp_path / "lost.dub.toml").write_text(f'schema = "dubkit.project/1"\n[source]\nfilm = "gone.mp4"\n{target}')
    done = dubkit(*words, cwd=tmp_path)
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())


def test_new_dub_status_on_a_small_film(tmp_path):
    from tests.fakes.films import make_film

    film = tmp_path / "a film.mp4"
    make_film(film, Fraction(25), 25, codec="mpeg4")
    (tmp_path / "dub.wav").write_bytes(film.read_bytes())
    done = dubkit("new", film.name, "--to", "es", "--dialogue", "dub.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "a film.dub.toml"
    assert 'film = "a film.mp4"' in project.read_text()
    done = dubkit("dub", project.name, "--until", "ingest", "--progress", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["kind"] for e in events if e["kind"] != "progress"] == ["start", "end"]
    shown = dubkit("status", project.name, cwd=tmp_path).stdout
    assert "done" in shown
    assert "never" in shown
    assert dubkit("new", film.name, "--to", "fr", "--dialogue", "dub.wav", cwd=tmp_path).returncode != 0, (
        "overwrote a project"
    )


def test_names_that_the_output_has_no_letters_for(tmp_path):
    make_film(tmp_path / "ž🎬.mp4", frames=10)
    write_audio(tmp_path / "dub.flac", np.zeros((1, 48_000), np.float32), 48_000)
    words = [sys.executable, "-m", "dubkit", "new", "ž🎬.mp4", "--to", "es", "--dialogue", "dub.flac"]
    done = subprocess.run(words, capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    assert b"\x9e\\U0001f3ac.dub.toml" in done.stdout
