"""The puppets' faces: what moves, what stays, and nothing torn."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("skimage")
pytest.importorskip("matplotlib")

from dubkit.demo.face import Face, Pose
from dubkit.demo.matte import cut_out
from dubkit.demo.pictures import picture
from dubkit.demo.portraits import ADMIRAL, ASTRONAUT

SCALE = 1.0


@pytest.fixture(scope="module", params=[ASTRONAUT, ADMIRAL], ids=["astronaut", "admiral"])
def face(request):
    portrait = request.param
    return Face(portrait, cut_out(picture(portrait.picture), portrait.outline, SCALE), SCALE)


def _changed(face, one, other, threshold=6):
    return np.abs(face.render(one).astype(int) - face.render(other)).max(axis=2) > threshold


def _mouth_gap(image, portrait):
    """Dark or tooth-coloured pixels in the column between the lips, from the lip line down: rows that differ from rest."""
    x = round((portrait.upper_lip[0][0] + portrait.upper_lip[-1][0]) / 2)
    return image[round(portrait.nose) : round(portrait.chin[1]), x - 1 : x + 2, :3].astype(int).mean(axis=1)


def test_the_wider_open_the_more_of_the_face_moves(face):
    areas = [_changed(face, Pose(), Pose(open=o)).sum() for o in (0.2, 0.5, 1.0)]
    assert 0 < areas[0] < areas[1] < areas[2]


def test_speaking_moves_nothing_above_the_nose_or_below_the_neck(face):
    rows = np.flatnonzero(_changed(face, Pose(), Pose(open=1.0, wide=-1.0), 2).any(axis=1))
    assert rows.min() >= face._portrait.nose - 6 and rows.max() <= face._portrait.neck + 4


def test_blinking_moves_only_the_eyes(face):
    rows, columns = np.nonzero(_changed(face, Pose(), Pose(blink=1.0), 2))
    left, right = face._portrait.eyes
    assert rows.min() >= min(left.crease, right.crease) - 4 and rows.max() <= max(left.lower, right.lower) + 7
    assert columns.min() >= left.left[0] - 4 and columns.max() <= right.right[0] + 4
    for eye in (left, right):  # the iris, the darkest part of an open eye, is gone
        box = np.s_[round(eye.upper) + 1 : round(eye.lower) - 3, round(eye.left[0] + 7) : round(eye.right[0] - 7), :3]
        open_, closed = (face.render(Pose(blink=b))[box].mean(axis=2) for b in (0.0, 1.0))
        assert np.percentile(closed, 5) > np.percentile(open_, 5) + 10


def test_an_open_mouth_is_dark_inside_and_a_closed_one_is_not(face):
    closed, opened = (_mouth_gap(face.render(Pose(open=o)), face._portrait).mean(axis=1).min() for o in (0.0, 0.9))
    assert opened < closed - 15


def test_a_small_step_of_the_pose_is_a_small_step_of_the_picture(face):
    before, after = (face.render(Pose(open=o, wide=0.2)).astype(int) for o in (0.50, 0.51))
    assert np.abs(before - after).max() < 90 and np.abs(before - after).mean() < 0.2


def test_the_outline_is_kept(face):
    alpha = face.render(Pose(open=1.0))[..., 3]
    inside = face._portrait.box
    assert alpha[round(inside[1]) : round(inside[3]), round((inside[0] + inside[2]) / 2)].min() > 250
    assert alpha[5, 5] == 0 and alpha[5, -5] == 0
