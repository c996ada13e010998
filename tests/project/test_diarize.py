"""The stage that keeps speakers' names: a person's file, an earlier run, other reels."""

from dataclasses import replace

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.project import artefacts, schema, stages
from dubkit.project.events import nobody
from dubkit.project.store import Store
from dubkit.settings import Settings, SpeechSettings
from dubkit.speech import base, rttm
from dubkit.speech.base import Diarization
from dubkit.speech.turns import make_turns
from dubkit.types import Turn


def work(folder, **speech):
    text = f'schema = "{schema.SCHEMA}"\n[source]\nfilm = "film.mp4"\n[target.es]\ndialogue = "es.wav"\n'
    project = schema.ProjectFile(folder / "reel2.dub.toml", schema.parse(text))
    store = Store(project.folder)
    settings = Settings(speech=SpeechSettings(**speech))
    return stages.Work(project, settings, None, store, store.begin("diarize"), "diarize", nobody)


def turns_of(job):
    return artefacts.read_json(job.folder / "turns.json", tuple[Turn, ...])


def test_the_names_in_a_persons_file_stay_and_their_turns_keep_their_ids(tmp_path):
    first = make_turns([(0, 2, "SPEAKER_00"), (3, 5, "SPEAKER_01")])
    job = work(tmp_path, diarization=str(rttm.save(tmp_path / "film.rttm", first, "film")))
    stages.diarize(job)
    edited = make_turns([(0, 2, "Anna"), (2.2, 2.8, "Ben"), (3, 5, "Ben")])
    rttm.save(tmp_path / "film.rttm", edited, "film")
    stages.diarize(job)
    assert [(turn.id, turn.speaker) for turn in turns_of(job)] == [
        ("t0001", "Anna"), ("t0003", "Ben"), ("t0002", "Ben")]  # fmt: skip


def test_voices_of_another_reel_keep_their_names(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    anna, ben, cleo = rng.normal(size=(3, 192)).astype(np.float32)
    reel1 = tmp_path / "reel1.dubkit" / "diarize"
    reel1.mkdir(parents=True)
    artefacts.write_arrays(reel1 / "embeddings.npz", {"SPEAKER_00": anna, "SPEAKER_01": ben})
    turns = make_turns([(0, 2, "SPEAKER_00"), (3, 5, "SPEAKER_01")])  # Cleo and Anna, as this reel's diarizer counts
    monkeypatch.setattr(
        base, "diarize", lambda *_: Diarization(turns, turns, {"SPEAKER_00": cleo, "SPEAKER_01": anna + 0.1 * ben})
    )
    alone = work(tmp_path)
    stages.diarize(alone)
    assert [turn.speaker for turn in turns_of(alone)] == ["SPEAKER_00", "SPEAKER_01"]
    known = replace(alone, settings=Settings(speech=SpeechSettings(known_voices=("reel1.dub.toml",))))
    for _ in range(2):  # although the run before called them otherwise, and the same again
        stages.diarize(known)
        assert [turn.speaker for turn in turns_of(known)] == ["SPEAKER_02", "SPEAKER_00"]
        assert set(artefacts.read_arrays(known.folder / "embeddings.npz")) == {"SPEAKER_02", "SPEAKER_00"}
    files = stages.STAGE["diarize"].files(known.project, known.settings, None)
    assert list(files.values()) == [reel1 / "embeddings.npz"]  # a new diarization of reel 1 makes this one stale


def test_a_reel_without_voices_is_named(tmp_path):
    with pytest.raises(InputError, match=r"known_voices reel1.dub.toml: no voices at .*--until diarize"):
        stages.diarize(work(tmp_path, known_voices=("reel1.dub.toml",)))
