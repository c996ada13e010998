"""The commands of the terminal reach the functions that they should, with what was given."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.dubber import FakeDubber
from tests.fakes.films import make_film
from tests.nle_plugins.desk import module


def dubkit(*arguments: object):
    from dubkit.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_install_doctor_uninstall(tmp_path):
    box, folder = tmp_path / "box", tmp_path / "Utility"
    (tmp_path / "es.wav").touch()
    done = dubkit(
        "resolve",
        "install",
        "--mailbox",
        box,
        "--folder",
        folder,
        "--language",
        "es",
        "--dialogue",
        tmp_path / "es.wav",
        "--timeout",
        7,
    )
    assert done.exit_code == 0, done.output
    assert json.loads((box / "settings.json").read_text())["dialogue"] == str(tmp_path / "es.wav")
    assert re.search(r"TIMEOUT, START_WORKER = .*, 7, ", (folder / "Dubkit.lua").read_text())
    doctor = dubkit("resolve", "doctor", "--mailbox", box, "--folder", folder)
    assert doctor.exit_code == 1 and "not running" in doctor.output  # no worker
    assert dubkit("resolve", "uninstall", "--folder", folder).exit_code == 0 and list(folder.iterdir()) == []


def test_the_command_baked_into_the_script_is_one_that_dubkit_has(tmp_path, monkeypatch):
    monkeypatch.setattr("dubkit.nle.pipeline.PipelineDubber", lambda flags: FakeDubber())
    box = tmp_path / "box"
    line = module("install").start_command(box, "linux").removesuffix(" >/dev/null 2>&1 &")
    words = shlex.split(line)
    assert words[1:3] == ["-m", "dubkit"] and words[-2] == "--idle"
    done = dubkit(*words[3:-1], "0")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("time", ["timeline", "media"])
def test_nle_dub(time, tmp_path, monkeypatch):
    from fractions import Fraction

    from dubkit.nle.plugins import format_for
    from dubkit.nle.sound import write_wav
    from dubkit.nle.timeline import Clip, Timeline, Track
    from dubkit.types import FrameRange
    from tests.fakes.films import ramp

    fake = FakeDubber()
    monkeypatch.setattr("dubkit.nle.pipeline.PipelineDubber", lambda flags: fake)
    film = make_film(tmp_path / "film.mov", Fraction(25), 40)
    write_wav(tmp_path / "dub.wav", ramp(0, 96000, 1))
    timeline = Timeline(
        "t", Fraction(25), (Track("video", "V", (Clip("a", FrameRange(0, 10), film, Fraction(1, 5)),)),)
    )
    format_for(Path("a.otio")).write(timeline, tmp_path / "in.otio")
    done = dubkit(
        "nle",
        "dub",
        tmp_path / "in.otio",
        "-o",
        tmp_path / "out.otio",
        "--to",
        "es",
        "--dialogue",
        tmp_path / "dub.wav",
        "--time",
        time,
    )
    assert done.exit_code == 0, done.output
    assert "1 clips dubbed" in done.output and (tmp_path / "out.otio").is_file()
    assert len(fake.requests) == 1
    assert "fcpxml" in dubkit("nle", "formats").output


@pytest.mark.parametrize(
    "words", [("nle", "dub", "a.otio", "-o", "b.otio", "--to", "es", "--track", "x"), ("resolve", "serve")]
)
def test_a_setting_that_does_not_exist_is_told_before_anything_is_done(words, tmp_path, monkeypatch):
    from dubkit.errors import SettingsError

    monkeypatch.chdir(tmp_path)
    for wrong in (("--set", "lips.crosfade=3"), ("--preset", "flim")):
        error = dubkit(*words, *wrong).exception
        assert isinstance(error, SettingsError) and ("crossfade" in str(error) or "film" in str(error))
    assert list(tmp_path.iterdir()) == []
