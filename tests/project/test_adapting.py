"""The stage adapt: whose footage is used, what is recorded, and that the lips take a character's own weights."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dubkit.errors import DubkitError, InputError
from dubkit.project import adapting, artefacts
from dubkit.project.adapting import Tried, adapted_weights, make_adapted, read_weights
from dubkit.settings import LipsSettings, Settings
from dubkit.types import Assignment, Character, FaceTrack, FrameRange, Segment, Turn

RATE = Fraction(25)


def track(id, start, stop):
    frames = np.arange(start, stop)
    boxes = np.tile(np.float32([100, 100, 200, 220]), (len(frames), 1))
    return FaceTrack(id, 0, frames, boxes, np.ones(len(frames), np.float32), np.ones(len(frames), bool))


class FakeWork(SimpleNamespace):
    """Two actors in one shot of ten seconds: ann speaks 0 to 4 s and 6 to 8 s, bob 3 to 5 s."""

    def __init__(self, folder: Path, adapt: str, **lips):
        tracks = (track("a", 0, 250), track("b", 0, 250))
        turns = (Turn("t0", Segment(0, 4), "S0"), Turn("t1", Segment(3, 5), "S1"), Turn("t2", Segment(6, 8), "S0"))
        placed = [("t0", "a", 0, 100), ("t1", "b", 75, 125), ("t2", "a", 150, 200)]
        assignments = tuple(Assignment(t, 0, FrameRange(s, e), who, 3, 3, "on-screen") for t, who, s, e in placed)
        super().__init__(
            folder=folder, settings=Settings(lips=LipsSettings(adapt=adapt, device="cpu", **lips)), said=[], stage="adapt",
            media=lambda: SimpleNamespace(video=SimpleNamespace(rate=RATE), digest="film", path=Path("film.mp4")),
            tracks=lambda: tracks, turns=lambda: turns, assignments=lambda: assignments, progress=lambda *_: None,
            characters=lambda: (Character("ann", ("S0",), ("a",)), Character("bob", ("S1",), ("b",))),
            file=lambda stage, name: folder / name, analysis_audio=lambda: folder / "analysis.flac",
        )  # fmt: skip

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def opened(monkeypatch):
    import dubkit.media.reader as reader

    class Nothing:
        def __init__(self, media): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...

    monkeypatch.setattr(reader, "FrameReader", Nothing)


def places(work, number):
    tracks = {t.id: t for t in work.tracks()}
    return [(t.id, f.start, f.stop) for t, f in adapting._places(work, work.characters()[number], tracks)]


def test_footage_is_where_one_alone_is_heard(tmp_path, monkeypatch):
    work = FakeWork(tmp_path, "on")
    assert places(work, 0) == [("a", 0, 75), ("a", 150, 200)]  # bob begins at 3 s
    assert places(work, 1) == [("b", 100, 125)]
    monkeypatch.setattr(adapting, "LONGEST", 4.0)
    assert places(work, 0) == [("a", 0, 75), ("a", 150, 175)]


def test_small_faces_and_moments_are_no_footage(tmp_path):
    assert places(FakeWork(tmp_path, "on", min_face_px=200), 0) == []


def test_off_and_auto_without_a_gpu_do_nothing(tmp_path, opened, monkeypatch):
    import dubkit.lips.wav2lip as wav2lip

    monkeypatch.setattr(wav2lip, "choose_device", lambda name: SimpleNamespace(type="cpu"))
    for setting in ("off", "auto"):
        work = FakeWork(tmp_path, setting)
        assert make_adapted(work) == [tmp_path / "adapt.json"]
        assert adapted_weights(work) == {} and bool(work.said) == (setting == "auto")
    assert read_weights(LipsSettings()) == {} and len(read_weights(LipsSettings(adapt="on"))) == 2


def test_what_helps_is_kept_and_not_tried_twice(tmp_path, opened, monkeypatch):
    import dubkit.lips.adapt as room

    asked = []

    def footage(work, reader, face, frames, size):
        asked.append(face.id)
        return (face.id, frames)

    def adapt(model, expert, footage, **_):
        if footage[0][0] == "b":
            raise InputError("20 frames are too few")
        figures = (75, 25, 0.03, 0.02, 0.4, 0.5, 60, "last", 1.0)
        return model, room.Adaptation(True, "closer to the actor", *figures)

    monkeypatch.setattr(adapting, "_footage", footage)
    monkeypatch.setattr(room, "adapt", adapt)
    work = FakeWork(tmp_path, "on")
    written = make_adapted(work)
    ann, bob = artefacts.read_json(tmp_path / "adapt.json", tuple[Tried, ...])
    assert ann.kept and ann.figures["mouth_l1_after"] == 0.02 and written[1] == tmp_path / ann.weights
    assert not bob.kept and bob.weights is None and "too few" in bob.reason
    path, digest = adapted_weights(work)["a"]
    assert set(adapted_weights(work)) == {"a"} and path.is_file() and digest == ann.digest
    from dubkit.lips.checkpoint import weights_digest

    assert weights_digest(str(path)) == digest  # what the lips stage will find
    before = (tmp_path / "adapt.json").read_bytes()
    make_adapted(work)
    assert asked == ["a", "a", "b"] and (tmp_path / "adapt.json").read_bytes() == before


def test_a_card_without_memory_is_said(tmp_path, opened, monkeypatch):
    import torch

    import dubkit.lips.adapt as room

    def adapt(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(adapting, "_footage", lambda *_: None)
    monkeypatch.setattr(room, "adapt", adapt)
    with pytest.raises(DubkitError, match="not enough memory on cpu to adapt to ann"):
        make_adapted(FakeWork(tmp_path, "on"))
    assert not list(tmp_path.glob("*.json"))  # it is tried again


@pytest.mark.parametrize(("chosen", "ran"), [("cuda:1", "cuda:1"), ("mps", "cpu"), ("cpu", "cpu")])
def test_it_runs_on_the_card_of_the_lips(tmp_path, opened, monkeypatch, chosen, ran):
    import torch

    import dubkit.lips.wav2lip as wav2lip

    monkeypatch.setattr(wav2lip, "choose_device", lambda name: torch.device(chosen))
    asked = []

    def nothing(work, character, tracks, reader, device):
        asked.append(device)
        return Tried(character.name, character.track_ids, False, "")

    monkeypatch.setattr(adapting, "_try", nothing)
    make_adapted(FakeWork(tmp_path, "on"))
    assert asked == [ran, ran]


def test_the_lips_take_a_character_s_own_weights_and_job_ids(tmp_path, opened, monkeypatch):
    from dubkit.lips import engine, jobs
    from dubkit.project import dubbing
    from dubkit.types import LipJob

    planned = tuple(
        LipJob(name, face, 0, FrameRange(0, 10), "S", ()) for name, face in (("one", "a"), ("two", "b"), ("three", "a"))
    )
    seen, ran = [], []
    monkeypatch.setattr(jobs, "plan_jobs", lambda *args, **_: (seen.append(args[6]), planned)[1])
    monkeypatch.setattr(
        engine,
        "run_jobs",
        lambda some, tracks, reader, voice, rate, settings, *_: ran.append(
            (settings.weights, [j.track_id for j in some])
        ),
    )
    monkeypatch.setattr(dubbing, "_voice_of", lambda work: lambda speaker, segment: np.zeros(1, np.float32))
    monkeypatch.setattr(dubbing.artefacts, "read_json", lambda *_: ())
    work = FakeWork(tmp_path, "on")
    work.shots, work.language = lambda: (), "es"
    for adapted in (
        {"a": (tmp_path / "ann.safetensors", "sha256:1")},
        {"a": (tmp_path / "ann.safetensors", "sha256:2")},
        {},
    ):
        monkeypatch.setattr(adapting, "adapted_weights", lambda work, adapted=adapted: adapted)
        ran.append([job.id for job in dubbing._paint(work, None)])
    own, other = (str(tmp_path / "ann.safetensors"), ["a", "a"]), ("auto", ["b"])
    assert ran[:2] == [own, other] and ran[3:5] == [own, other] and ran[6:7] == [("auto", ["a", "b", "a"])]
    first, second, without = ran[2], ran[5], ran[7]
    assert without == ["one", "two", "three"] and first[1] == second[1] == "two"
    assert len({first[0], second[0], without[0]}) == 3  # other weights, other jobs
    assert {settings.adapt for settings in seen} == {"off"}  # the setting itself makes nothing stale
