"""A real catalogue of short titles in two languages, made from the demo film and film_a: run whole; run again from nothing
while it is killed at random, to the same bytes; with a corrupt title; with a title added later. "full" has six titles and
listens; "short" has one, and is told who speaks."""

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
from dubkit.batch.ledger import open_ledger
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


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("titles", "listen", "kills"), [(1, False, 4), (6, True, 6)], ids=["short", "full"])
def test_killed_resumed_corrupt_and_added(demo, request, tmp_path, titles, listen, kills):
    film_a = request.getfixturevalue("shared") / "media" if titles > 1 else None
    whole = make_catalogue(tmp_path / "whole", demo, film_a, titles, listen=listen)
    corrupt = whole.parent / "broken.mp4"
    corrupt.write_bytes((whole.parent / "alone.mp4").read_bytes()[:5000])
    whole.write_text(
        whole.read_text()
        + '\n[[title]]\ntitle = "corrupt"\nfilm = "broken.mp4"\npriority = 9\ntarget.es.dialogue = "alone.es.flac"\n'
    )
    killed = Path(shutil.copytree(whole.parent, tmp_path / "killed")) / whole.name

    began = time.monotonic()
    code, said = finish(start(whole))
    duration = time.monotonic() - began
    assert code == 1, said
    ledger = open_ledger(whole)
    rows = {(row.title, row.language): row for row in status.units(ledger)}
    ledger.close()
    assert {title for (title, _), row in rows.items() if row.state == "failed"} == {"corrupt"}
    assert "truncated or damaged" in rows["corrupt", ""].error
    assert len(films(whole)) == 2 * titles
    sources = [entry for entry in ends(whole) if entry[1] is None]
    assert sorted(sources) == sorted(set(sources)), "source-side work once for a title, not once for a language"

    chance, kinds = random.Random(8), []
    for number in range(kills):
        process = start(killed)
        try:
            process.wait(chance.uniform(0.05, 0.4) * duration)
        except subprocess.TimeoutExpired:
            workers = children(process.pid)
            if number % 2 and workers:  # one worker: its run goes on
                os.kill(chance.choice(workers), signal.SIGKILL)
                kinds.append("worker")
                try:
                    process.wait(chance.uniform(0.02, 0.1) * duration)
                except subprocess.TimeoutExpired:
                    os.kill(process.pid, signal.SIGKILL)
            else:
                os.kill(process.pid, signal.SIGKILL)
                kinds.append("run")
        finish(process)
    code, said = finish(start(killed))
    assert code == 1, said
    assert set(kinds) == {"worker", "run"}, "the kills must have hit both"
    assert films(killed) == films(whole)
    assert not list((killed.parent / "dubbed").rglob(".*")), "nothing half written is left"

    before = len(events(whole))
    stems = {role: demo / f"demo.es.{role.lower()}.flac" for role in ("IRIS", "RUTH")}
    late = add_title(whole.parent, "late", demo / "demo.mp4", demo / "demo.es.flac", stems, 5.4, 2.0)
    late += given_speech(whole.parent, "late", demo / "demo.rttm", 5.4, 2.0)
    speech = given_speech(whole.parent, "mended", demo / "demo.rttm", 0.4, 2.0)
    mended = add_title(whole.parent, "mended", demo / "demo.mp4", demo / "demo.es.flac", stems, 0.4, 2.0, 1)
    whole.write_text(whole.read_text().partition('\n[[title]]\ntitle = "corrupt"')[0] + mended + speech + late)
    code, said = finish(start(whole))
    assert code == 0, said
    assert {event["title"] for event in events(whole)[before:]} == {"late", "mended"}, "only what is new runs"
    assert len(films(whole)) == 2 * titles + 3
    figures = {"whole": round(duration, 1), "kills": kinds}
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    print(figures)  # noqa: T201
