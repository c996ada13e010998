"""A real catalogue: 6 titles × 2 languages of some three seconds each, made from the demo film and film_a (where that is;
else 5). Two of the titles are diarized and transcribed, the others are told who speaks. It is run whole, with a corrupt
title; with titles added later; and again from nothing while it is killed at random, to the same bytes."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dubkit.batch import status
from dubkit.batch.ledger import batch_folder, open_ledger
from dubkit.media.probe import probe
from tests.fakes.catalogue_films import add_title, given_speech, make_catalogue

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's folder; DUBKIT_DEMO names one that was made before."""
    from dubkit.demo.make import make_demo

    if os.environ.get("DUBKIT_DEMO"):
        return Path(os.environ["DUBKIT_DEMO"])
    folder = tmp_path_factory.mktemp("demo")
    make_demo(folder)
    return folder


def start(catalogue):
    command = [sys.executable, "-m", "dubkit", "batch", str(catalogue), "--workers", "2", "--progress", "json"]
    with (catalogue.parent / "events.ndjson").open("ab") as events:
        return subprocess.Popen(command, stdout=events, stderr=subprocess.PIPE, start_new_session=True)


def finish(process):
    code = process.wait()
    said = process.stderr.read().decode()
    process.stderr.close()
    return code, said


def children(pid):
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def films(catalogue):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (catalogue.parent / "dubbed").iterdir()
    }


def events(catalogue):
    found = []
    for line in (catalogue.parent / "events.ndjson").read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # a line that was cut by a kill
            found.append(json.loads(line))
    return found


def ends(catalogue):
    """Stages that ran to their end, as (title, language, stage)."""
    return [(e["title"], e["language"], e["stage"]) for e in events(catalogue) if e["kind"] == "end" and not e["part"]]


CORRUPT = '\n[[title]]\ntitle = "corrupt"\nfilm = "broken.mp4"\npriority = 9\ntarget.es.dialogue = "alone.es.flac"\n'


@pytest.fixture(scope="module")
def whole(demo, tmp_path_factory):
    """The catalogue after a whole run: its path, a copy of its folder as it was before, and how long the run took.
    DUBKIT_BATCH_WHOLE names a folder that keeps it, so that a slow machine can run each test by itself."""
    media = Path(os.environ.get("DUBKIT_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "media"
    film_a = media if (media / "film_a.mp4").exists() else None
    kept = os.environ.get("DUBKIT_BATCH_WHOLE")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("catalogue")
    if (folder / "seconds").exists():
        return folder / "whole" / "catalogue.toml", folder / "fresh", float((folder / "seconds").read_text())
    path = make_catalogue(folder / "whole", demo, film_a, 6 if film_a else 5, listen=("answer", "film a"))
    (path.parent / "broken.mp4").write_bytes((path.parent / "alone.mp4").read_bytes()[:5000])
    path.write_text(path.read_text() + CORRUPT)
    fresh = Path(shutil.copytree(path.parent, folder / "fresh"))
    began = time.monotonic()
    code, said = finish(start(path))
    assert code == 1, said
    (folder / "seconds").write_text(str(time.monotonic() - began))
    return path, fresh, time.monotonic() - began


@pytest.mark.timeout(7200)
def test_a_corrupt_title_is_a_row_and_only_what_is_new_runs(demo, whole, tmp_path):
    path = Path(shutil.copytree(whole[0].parent, tmp_path / "whole")) / whole[0].name
    ledger = open_ledger(path)
    rows = {(row.title, row.language): row for row in status.units(ledger)}
    rates = status.history(ledger)
    ledger.close()
    assert {title for (title, _), row in rows.items() if row.state == "failed"} == {"corrupt"}
    assert "truncated or damaged" in rows["corrupt", ""].error
    dubs = [key for key, row in rows.items() if key[1] and row.state == "done"]
    assert len(films(path)) == len(dubs) == 2 * (len({title for title, _ in rows}) - 1)
    sources = [entry for entry in ends(path) if entry[1] is None]
    assert sorted(sources) == sorted(set(sources)), "source-side work once for a title, not once for a language"

    before = len(events(path))
    stems = {role: demo / f"demo.es.{role.lower()}.flac" for role in ("IRIS", "RUTH")}
    added, text = {"late": (22.9, 1.6), "mended": (0.4, 1.6)}, path.read_text().replace(CORRUPT, "")
    for name, window in added.items():
        text += add_title(path.parent, name, demo / "demo.mp4", demo / "demo.es.flac", stems, *window, languages=1)
        text += given_speech(path.parent, name, demo / "demo.rttm", *window)
    address, sent = (path.parent / "late.mp4").as_uri(), tmp_path / "sent" / "late.es.mp4"
    text = text.replace('film = "late.mp4"', f'film = "{address}"')
    text = text.replace(
        'dialogue = "late.es.flac"\n', f'dialogue = "late.es.flac"\ntarget.es.output = "{sent.as_uri()}"\n'
    )
    path.write_text(text)
    code, said = finish(start(path))
    assert code == 0, said
    assert {event["title"] for event in events(path)[before:]} == set(added), "only what is new runs"
    assert len(films(path)) == len(dubs) + 1
    assert [film.name for film in sent.parent.iterdir()] == [sent.name], "sent where its address says, and whole"
    assert probe(sent).video.num_frames == probe(path.parent / "late.mp4").video.num_frames
    assert not list((batch_folder(path) / "sources").glob("*/late.mp4")), "what was brought for a title goes with it"
    print({"seconds": round(whole[2]), "CPU s for a second of film": {k: round(v, 2) for k, v in rates.items()}})  # noqa: T201


@pytest.mark.timeout(7200)
def test_killed_at_random_and_resumed_to_the_same_bytes(whole, tmp_path):
    killed = Path(shutil.copytree(whole[1], tmp_path / "killed")) / whole[0].name
    chance, kinds = random.Random(8), []
    for number in range(4):
        process = start(killed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.1, 0.35) * whole[2])
        if process.poll() is None and number % 2 == 0 and (workers := children(process.pid)):
            os.kill(chance.choice(workers), signal.SIGKILL)  # one worker: its run goes on
            kinds.append("worker")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1 * whole[2])
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kinds.append("run")
        finish(process)
    code, said = finish(start(killed))
    assert code == 1, said
    assert set(kinds) == {"worker", "run"}, "the kills must have hit both"
    assert films(killed) == films(whole[0])
    assert not list((killed.parent / "dubbed").rglob(".*")), "nothing half written is left"
    print({"kills": kinds})  # noqa: T201
