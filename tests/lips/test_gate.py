"""When not to: each reason closes its frames, fades around them, and is told."""

import cv2
import numpy as np
import pytest
from lips_film import MemoryFilm, job, landmarks, run
from lips_painters import ColourPainter

from dubkit.lips import gate
from dubkit.settings import LipsSettings
from dubkit.types import FaceTrack

SETTINGS = LipsSettings()


def changed(track, **new):
    names = ("boxes", "scores", "observed", "landmarks")
    return FaceTrack(track.id, 0, track.frames, **{**{n: getattr(track, n) for n in names}, **new})


def closed(track, reason):
    (found,) = [g for g in gate.track_gates(track, SETTINGS) if reason in g.reason]
    return found.closed


@pytest.mark.parametrize("degrees", [0, 20, 45, 60, 75])
def test_yaw_is_measured_on_both_sides(degrees):
    track = MemoryFilm(3).track()
    assert np.abs(gate.yaw(landmarks(track, degrees)) - np.radians(degrees)).max() < 0.02
    assert np.abs(gate.yaw(landmarks(track, -degrees)) + np.radians(degrees)).max() < 0.02


def test_a_face_turned_away_closes():
    track = MemoryFilm(60).track()
    marks = landmarks(track, 10)
    marks[30:] = landmarks(track, -70)[30:]
    flags = closed(changed(track, landmarks=marks), "turned")
    assert not flags[:26].any() and flags[34:].all()


def test_a_small_face_closes():
    track = MemoryFilm(20).track()
    boxes = track.boxes.copy()
    boxes[:, 3] = boxes[:, 1] + np.where(np.arange(20) < 10, 120, 30)
    flags = closed(changed(track, boxes=boxes), "lower than 48")
    assert not flags[:7].any() and flags[13:].all()


def test_only_long_stretches_without_a_detection_close():
    track = MemoryFilm(60).track()
    observed = np.ones(60, bool)
    observed[5:15] = observed[30:50] = False
    flags = closed(changed(track, observed=observed), "no face")
    assert not flags[:30].any() and flags[30:50].all() and not flags[50:].any()


def test_boxes_that_are_not_numbers_close():
    track = MemoryFilm(10).track()
    boxes = track.boxes.copy()
    boxes[4] = np.nan
    assert np.flatnonzero(closed(changed(track, boxes=boxes), "no face")).tolist() == [4]


def test_a_hand_before_the_mouth_closes_and_a_flash_does_not():
    film = MemoryFilm(40)
    from dubkit.lips.crops import cut, transforms

    track = film.track()
    matrices = transforms(track, 96)
    crops = np.stack([cut(film.picture(n), matrices[n], 96) for n in range(40)])
    assert not gate.covered(crops).closed.any()
    bright = crops.copy()
    bright[10:20] = np.clip(bright[10:20].astype(int) + 45, 0, 255).astype(np.uint8)
    assert not gate.covered(bright).closed.any()
    hand = crops.copy()
    hand[10:20, 50:, 8:88] = (60, 40, 30)
    assert np.flatnonzero(gate.covered(hand).closed).tolist() == list(range(10, 20))


@pytest.mark.parametrize("tone", [1.0, 0.85, 0.6])
def test_a_hand_in_the_colour_of_the_skin_closes_too(tone):
    from dubkit.lips.crops import cut, transforms

    film = MemoryFilm(40)
    matrices = transforms(film.track(), 96)
    crops = np.stack([cut(film.picture(n), matrices[n], 96) for n in range(40)])
    hand = np.zeros((96, 96, 1), np.float32)
    cv2.ellipse(hand, (46, 72), (32, 22), 20, 0, 360, 1, -1)
    hand = cv2.GaussianBlur(hand, (0, 0), 1)[..., None]
    shade = np.linspace(0.9, 1.1, 96)[:, None, None] * np.array([200, 160, 140]) * tone
    crops[10:20] = crops[10:20] * (1 - hand) + shade * hand
    assert np.flatnonzero(gate.covered(crops).closed).tolist() == list(range(10, 20))


def test_a_covered_mouth_passes_through_with_fades_and_is_told():
    class HandFilm(MemoryFilm):
        def picture(self, n):
            picture = super().picture(n)
            x0, y0, x1, y1 = (round(v) for v in self.box(n))
            if 20 <= n < 28:
                cv2.rectangle(picture, (x0, (y0 + y1) // 2 + 8), (x1, y1 + 20), (190, 150, 130), -1)
            return picture

    film = HandFilm(50)
    result = run(film, [job(0, 50)], [film.track()], ColourPainter(), crossfade=3)["a"]
    assert (result.alpha[20:28] == 0).all() and (result.alpha[:16] == 1).all() and (result.alpha[32:] == 1).all()
    assert 0 < result.alpha[19] < result.alpha[18] < 1 and 0 < result.alpha[28] < result.alpha[29] < 1
    assert result.notes == ("frames 20 to 27 passed through: mouth covered",)
    assert 23 not in result.changed


def test_alpha_fades_at_both_ends_and_around_closed_frames():
    flags = np.zeros(40, bool)
    flags[20:23] = True
    alpha = gate.alpha(40, (4, 0), [gate.Gate("x", flags)], 3)
    assert (alpha[20:23] == 0).all() and alpha[-1] == 1 and 0 < alpha[0] < alpha[1] < alpha[3] < 1 == alpha[4]
    assert 0 < alpha[19] < alpha[18] < alpha[17] < alpha[16] == 1
    assert np.abs(np.diff(alpha)).max() < 0.5
    assert gate.alpha(1, (0, 0), [], 4).tolist() == [1.0]
    assert gate.alpha(5, (0, 0), [gate.Gate("x", np.ones(5, bool))], 4).tolist() == [0.0] * 5


def test_notes_name_every_stretch():
    flags = np.array([1, 1, 0, 0, 1], bool)
    found = gate.notes(np.arange(100, 105), [gate.Gate("mouth covered", flags), gate.Gate("y", ~flags & False)])
    assert found == (
        "frames 100 to 101 passed through: mouth covered",
        "frames 104 to 104 passed through: mouth covered",
    )


def test_a_face_without_landmarks_is_altered_or_passed_as_the_setting_says():
    track = changed(MemoryFilm(10).track(), landmarks=None)
    assert not any(g.closed.any() for g in gate.track_gates(track, SETTINGS))
    gates = gate.track_gates(track, SETTINGS.model_copy(update={"without_landmarks": "pass"}))
    (found,) = [g for g in gates if "no landmarks" in g.reason]
    assert found.closed.all()
