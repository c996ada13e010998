"""Lip sync of a finished dub: only its dubbed faces, shot by shot, and an AV offset only where it says something."""

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.project import artefacts
from dubkit.project.store import Store
from dubkit.types import FaceTrack, FrameRange, LipJob, Shot

pytest.importorskip("torch")

from dubkit.evaluate import dub
from dubkit.evaluate.lips import Spoken, score_faces

WINDOWS = 60


def sides(late=0, second_late=None):
    """Embeddings of picture and voice that match when the voice is moved by ``late`` windows; its second half by another."""
    voice = np.random.default_rng(3).normal(size=(WINDOWS, 16))
    face = np.roll(voice, late, axis=0)
    if second_late is not None:
        face[WINDOWS // 2 :] = np.roll(voice, second_late, axis=0)[WINDOWS // 2 :]
    return (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (face, voice))


def spoken(track="f"):
    return Spoken(track, 0.0, np.zeros((WINDOWS + 4, 96, 96, 3), np.uint8), np.zeros(16_000 * 3, np.float32))


@pytest.mark.parametrize(("moved", "agree"), [((4,), True), ((0, 0), True), ((0, 1), True), ((0, 7), False)])
def test_an_offset_on_which_the_halves_of_a_face_do_not_agree_is_told(moved, agree):
    scores = score_faces([spoken()], lambda face: tuple(sides(*moved)), "film", False)
    assert scores["halves_agree"] is agree
    if len(moved) == 1:
        assert scores["av_offset"] == 4


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A store with three dubbed faces in three shots and one that was left alone; what was judged; the film."""
    store, film = Store(tmp_path / "a.dubkit"), tmp_path / "a.es.mp4"
    film.write_bytes(b"film")
    shots = tuple(Shot(i, FrameRange(100 * i, 100 * i + 100), "cut") for i in range(3))
    tracks = [_track("alone", 0), *(_track(f"f{i}", i) for i in range(3))]
    jobs = tuple(LipJob(f"j{i}", f"f{i}", i, FrameRange(100 * i, 100 * i + 80), "A", ("t",)) for i in range(3))
    artefacts.write_json(store.stage_folder("lips", "es") / "jobs.json", jobs, tuple[LipJob, ...])
    artefacts.write_json(store.stage_folder("shots") / "shots.json", shots, tuple[Shot, ...])
    artefacts.write_tracks(store.stage_folder("faces") / "tracks.npz", tracks)
    told = {"judged": [], "dies": None}

    def judge(face):
        if face.track_id == told["dies"]:
            raise KeyboardInterrupt
        told["judged"].append(face.track_id)
        return tuple(sides(2))

    monkeypatch.setattr(dub, "probe", lambda path: None)
    monkeypatch.setattr(dub, "load_judge", lambda weights: ("judge", 96, False, judge))
    monkeypatch.setattr(dub, "cut_faces", lambda media, shots, tracks, *_: (spoken(track.id) for track in tracks))
    return store, film, told


def _track(name, shot):
    frames, ones = np.arange(100 * shot, 100 * shot + 90), np.ones(90, np.float32)
    return FaceTrack(name, shot, frames, np.ones((90, 4), np.float32), ones, ones > 0)


def test_dubbed_faces_are_judged_and_a_killed_run_goes_on_with_its_shot(finished):
    store, film, told = finished
    whole = dub.evaluate_dub(store, film, "es")
    assert told["judged"] == ["f0", "f1", "f2"]
    assert whole["av_offset"] == 2 and whole["halves_agree"] is True and whole["judge"] == "judge"
    told.update(judged=[], dies="f2")
    with pytest.raises(KeyboardInterrupt):
        dub.evaluate_dub(store, film, "es")
    told.update(dies=None)
    assert dub.evaluate_dub(store, film, "es") == whole
    assert told["judged"] == ["f0", "f1", "f2"], "nothing twice"
    assert not list(store.folder.rglob("score.unfinished"))


def test_a_dub_without_a_moved_mouth_has_no_score(finished):
    store, film, _ = finished
    artefacts.write_json(store.stage_folder("lips", "es") / "jobs.json", (), tuple[LipJob, ...])
    with pytest.raises(InputError, match="no face"):
        dub.evaluate_dub(store, film, "es")
