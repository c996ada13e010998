"""What programs and editors need of the command line: NDJSON, the schema, the registry; and what Ctrl-C does."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import tomlkit

from dubkit.media.audio import write_audio
from tests.media.recipes import make_film

PROJECT = 'schema = "dubkit.project/1"\n[source]\nfilm = "film.mp4"\n[target.es]\ndialogue = "dub.flac"\n'


@pytest.mark.skipif(os.name == "nt", reason="a process group is interrupted as a POSIX terminal does it")
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path):
    make_film(tmp_path / "film.mp4", frames=3000, codec="mpeg4")
    write_audio(tmp_path / "dub.flac", np.zeros((1, 48_000), np.float32), 48_000)
    (tmp_path / "film.dub.toml").write_text(PROJECT)
    command = [sys.executable, "-m", "dubkit", "dub", "film.dub.toml", "--until", "shots", "--progress", "json"]
    # a shell that starts the tests in the background has Ctrl-C ignored, and children inherit that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    for line in process.stdout:
        event = json.loads(line)
        if (
            event["stage"] == "shots"
        ):  # at its first word: on a busy machine the rest of it may be over before we are heard
            os.killpg(process.pid, signal.SIGINT)
            break
    _, said = process.communicate()
    watchdog.cancel()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "to go on from there: dubkit dub film.dub.toml --until shots --progress json" in said
    assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
    assert (tmp_path / "film.dubkit" / "ingest" / "record.json").exists()
    assert not (tmp_path / "film.dubkit" / "lock.pid").exists()


def test_programs_do_not_get_the_terminals_ctrl_c():
    """Or ffmpeg would stop first, and the run would say that it failed."""
    from dubkit.process import run

    if os.name == "nt":
        pytest.skip("process groups are POSIX")
    assert int(run([sys.executable, "-c", "import os; print(os.getpgid(0))"])) != os.getpgid(0)


def test_ndjson_ends_with_the_result(dubkit, tmp_path, monkeypatch):
    from dubkit.project import pipeline

    make_film(tmp_path / "film.mp4", frames=10)
    write_audio(tmp_path / "dub.flac", np.zeros((1, 48_000), np.float32), 48_000)
    (tmp_path / "film.dub.toml").write_text(PROJECT)
    monkeypatch.setattr(
        pipeline.Pipeline, "_bring_up_to_date", lambda *_: None
    )  # nothing runs: only the end is looked at
    lines = [json.loads(line) for line in dubkit("dub", "film.dub.toml", "--progress", "json").out.splitlines()]
    assert lines[-1]["kind"] == "result" and lines[-1]["film"].endswith("film.es.mp4")


def test_an_unknown_way_of_progress(dubkit, tmp_path):
    make_film(tmp_path / "film.mp4", frames=4)
    write_audio(tmp_path / "dub.flac", np.zeros((1, 48_000), np.float32), 48_000)
    (tmp_path / "film.dub.toml").write_text(PROJECT)
    said = dubkit("dub", "film.dub.toml", "--progress", "loud")
    assert said.code == 2 and "auto, bar, log, json, none" in said.words


def test_the_schema_accepts_a_good_file_and_refuses_a_mistake(dubkit, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    said = dubkit("schema", "-o", "dubkit.schema.json")
    assert said.code == 0 and "#:schema dubkit.schema.json" in said.words
    schema = json.loads((tmp_path / "dubkit.schema.json").read_text())
    assert schema == json.loads(dubkit("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = PROJECT + '[settings.lips]\ncrossfade = 3\n[[lock]]\nturn = "t0001"\noff_screen = true\n'
    jsonschema.validate(tomlkit.parse(good).unwrap(), schema)
    for mistake in (
        good.replace("crossfade", "crosfade"), good.replace("= 3", "= 99"), good.replace("project/1", "project/2"),
        good.replace("[target.es]", "[tarjet.es]"), good.replace('film = "film.mp4"', "film = 3"),
    ):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomlkit.parse(mistake).unwrap(), schema)


def test_models_list_add_verify_fetch(dubkit, tmp_path, monkeypatch):
    monkeypatch.setenv("DUBKIT_MODELS", str(tmp_path / "models"))
    (tmp_path / "mine.pth").write_bytes(b"weights")
    said = dubkit("models", "add", "mine.pth", "--licence", "my own")
    assert said.code == 0 and "my own" in said.out
    rows = {row["name"]: row for row in json.loads(dubkit("models", "list", "--json").out)}
    assert rows["mine"]["size"] == 7 and rows["mine"]["licence"] == "my own"
    assert {"name", "licence", "size", "sha256", "source", "path"} <= set(rows["wav2lip_gan"])
    assert "mine" in dubkit("models", "list").out
    assert dubkit("models", "verify", "mine").code == 0
    (tmp_path / "models" / "mine.pth").write_bytes(b"changed")
    said = dubkit("models", "verify", "mine")
    assert said.code == 2 and "mine" in said.words
    said = dubkit("models", "fetch", "wav2lip")
    assert said.code == 2 and "by hand" in said.words
    assert dubkit("models", "fetch", "no-such-weights").code == 2


def test_doctor_names_every_engine_package_and_what_ffmpeg_can(dubkit):
    from dubkit.cli.doctor import PACKAGES

    wanted = importlib.metadata.requires("dubkit")
    plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()  # noqa: E731 - PEP 503
    names = {plain(re.match(r"[\w.-]+", line)[0]) for line in wanted if "extra == 'test'" not in line.replace('"', "'")}
    missing = names - {plain(name) for name in PACKAGES} - {"dubkit"}
    assert not missing, f"dubkit doctor does not know {sorted(missing)}"
    said = dubkit("doctor")
    assert said.code == 0
    for word in ("ffmpeg", "libx264", "prores_ks", "torch"):
        assert word in said.out
