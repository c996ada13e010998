"""What a worker tells the ledger about a film and a dub, and what it leaves on the disk."""

import json
from types import SimpleNamespace

import pytest

from dubkit.batch import work
from dubkit.batch.base import Job
from dubkit.batch.ledger import Task
from dubkit.errors import InputError, StorageError
from dubkit.project.store import Store

REPORT = {
    "lines": [
        {"faces": [{"state": "on-screen"}, {"state": "undecided"}], "dub": [{"notes": ["too long by 0.4 s"]}]},
        {"faces": [{"state": "off-screen"}], "dub": []},
    ],
    "result": {"frames_altered": 12},
    "voice": {"loudness": {"integrated_lufs": -23.1}},
}


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline whose dub into Spanish is finished, with a piece of its encoding still there."""
    store = Store(tmp_path / "film.dubkit")
    for stage in ("report", "render", "lips"):
        store.stage_folder(stage, "es").mkdir(parents=True)
    (store.stage_folder("report", "es") / "report.json").write_text(json.dumps(REPORT))
    (store.stage_folder("render", "es") / "pieces").mkdir()
    (store.stage_folder("render", "es") / "pieces" / "0.nut").write_bytes(b"x" * 1000)
    film = tmp_path / "film.es.mp4"
    film.write_bytes(b"x" * 500)
    outcome = SimpleNamespace(film=film, report=store.stage_folder("report", "es") / "report.html")
    return SimpleNamespace(store=store, outcome=lambda language: outcome)


def job(**options):
    return Job(Task("a", "es", "render"), "a.dub.toml", **options)


def test_a_row_of_the_report_and_scratch_that_is_gone(pipeline):
    facts = work._about_dub(pipeline, "es", job())
    wanted = {"lines": 2, "dubbed": 1, "undecided": 1, "frames_altered": 12, "loudness": -23.1, "bytes": 500}
    assert {key: facts[key] for key in wanted} == wanted
    assert facts["warnings"] == ["too long by 0.4 s"]
    assert facts["scratch"] >= 1000
    assert not (pipeline.store.stage_folder("render", "es") / "pieces").exists()


def test_pieces_are_kept_where_asked_and_films_sent_where_they_belong(pipeline, tmp_path):
    shelf = tmp_path / "shelf"
    facts = work._about_dub(pipeline, "es", job(keep_pieces=True, upload=shelf.as_uri() + "/film in es"))
    assert facts["sent"].endswith("/film in es.mp4"), "the suffix of the film, which the address did not name"
    assert [path.read_bytes() for path in shelf.iterdir()] == [b"x" * 500]
    assert (pipeline.store.stage_folder("render", "es") / "pieces" / "0.nut").exists()


def test_about_the_film(pipeline):
    folder = pipeline.store.stage_folder("ingest")
    folder.mkdir(parents=True)
    media = {"video": {"num_frames": 25_000}, "duration": 1000.0, "warnings": ["variable rate"]}
    (folder / "media.json").write_text(json.dumps(media))
    facts = work._about_film(pipeline, job(split_seconds=500.0))
    assert (facts["seconds"], facts["frames"], facts["warnings"]) == (1000.0, 25_000, ["variable rate"])
    assert facts["parts"] == [[0, 12_500], [12_500, 25_000]]


def test_the_score_of_a_film_without_a_face_is_none(pipeline, monkeypatch):
    pytest.importorskip("torch")
    said = []

    def nobody(store, film, language, progress):
        raise InputError("no face")

    monkeypatch.setattr("dubkit.evaluate.dub.evaluate_dub", nobody)
    assert work._score(pipeline, "es", said.append) is None
    monkeypatch.setattr("dubkit.evaluate.dub.evaluate_dub", lambda *a, progress: progress(1, 2) or {"lse_d": 1.0})
    assert work._score(pipeline, "es", said.append) == {"lse_d": 1.0}
    assert [event.kind for event in said] == ["start", "end", "start", "progress", "end"]


def test_a_full_disk_is_said_before_the_work(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="GiB are needed"):
        work.needs_space(tmp_path, 1 << 60)
    monkeypatch.setattr(work, "RESERVE", 1 << 60)
    with pytest.raises(StorageError, match="GiB are needed"):
        work.do_job(Job(Task("a", "es", "lips"), str(tmp_path / "a.dub.toml")), print)
