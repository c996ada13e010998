"""Crops: the convention of training, sub-pixel, and back to where they came from."""

import cv2
import numpy as np
import pytest
from lips_film import MemoryFilm, landmarks

from dubkit.lips.crops import (
    BOTTOM_MARGIN,
    box_around,
    conventional,
    cut,
    eye_roll,
    points,
    region,
    shifted,
    smoothed,
    transforms,
)
from dubkit.lips.models import wav2lip
from dubkit.types import FaceTrack


def track(boxes, marks=None):
    boxes = np.asarray(boxes, np.float32)
    n = len(boxes)
    return FaceTrack("t", 0, np.arange(n), boxes, np.ones(n, np.float32), np.ones(n, bool), marks)


def gradient(width=200, height=160):
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x, y, x + y], axis=-1)


def test_the_margin_is_that_of_the_networks():
    assert BOTTOM_MARGIN == wav2lip.BOTTOM_MARGIN


@pytest.mark.parametrize("box", [(20, 30, 116, 30 + 96 / 1.06), (20.25, 30.5, 68.75, 90.0), (10, 10, 40.4, 37.7)])
def test_crop_pixels_are_the_film_at_their_centres(box):
    transform = transforms(track([box]), 96)[0]
    crop = cut(gradient(), transform, 96)
    width, height = box[2] - box[0], (box[3] - box[1]) * 1.06
    expected_x = box[0] + (np.arange(96) + 0.5) * width / 96 - 0.5
    expected_y = box[1] + (np.arange(96) + 0.5) * height / 96 - 0.5
    assert np.abs(crop[50, :, 0] - expected_x).max() < 0.03  # OpenCV interpolates in 1/32 pixel
    assert np.abs(crop[:, 50, 1] - expected_y).max() < 0.03


def test_it_is_the_crop_that_training_cuts():
    from dubkit.train.crops import RIM
    from dubkit.train.crops import cut as training_cut

    picture = MemoryFilm(1).picture(0)
    box = (101.3, 62.7, 190.1, 151.2)
    ours = cut(picture, transforms(track([box]), 96)[0], 96).astype(int)
    theirs = training_cut(picture, np.array(box))[RIM : RIM + 96, RIM : RIM + 96].astype(int)
    assert np.abs(ours - theirs).mean() < 0.3 and np.abs(ours - theirs).max() <= 12


def test_there_and_back_puts_pixels_where_they_came_from():
    film = cv2.GaussianBlur(MemoryFilm(1).picture(0).astype(np.float32), (0, 0), 2)
    marks = landmarks(track([(100, 60, 200, 180)]))
    marks[:, 1, 1] += 8  # a tilted head
    transform = transforms(track([(100, 60, 200, 180)], marks), 192)[0]
    crop = cut(film, transform, 192)
    back = cv2.warpAffine(crop, transform.astype(np.float64), (film.shape[1], film.shape[0]), flags=cv2.INTER_CUBIC)
    inside = cv2.warpAffine(np.ones((192, 192), np.float32), transform.astype(np.float64), film.shape[1::-1])
    middle = cv2.erode(inside, np.ones((9, 9))) == 1
    assert middle.sum() > 8000
    assert np.abs(back - film)[middle].max() < 2.0


def test_the_eyes_are_level_in_the_crop():
    marks = landmarks(track([(100, 60, 200, 180)] * 9))
    marks[:, 1, 1] += 12
    transform = transforms(track([(100, 60, 200, 180)] * 9, marks), 96)[4].astype(np.float64)
    back = cv2.invertAffineTransform(transform)
    eyes = [back @ (*eye, 1) for eye in points(marks)[4, :2]]
    assert abs(eyes[0][1] - eyes[1][1]) < 0.5
    assert eye_roll(marks)[0] == pytest.approx(np.arctan2(12, 40), abs=1e-6)


def test_a_part_of_the_picture_gives_the_same_crop_as_the_whole():
    picture = MemoryFilm(1).picture(0).astype(np.float32)
    for box in ((90, 50, 300, 230), (-40, -30, 60, 80), (280, 200, 400, 300)):
        transform = transforms(track([box]), 96)[0]
        x0, y0, x1, y1 = region(transform, 96, 320, 240)
        part = cut(picture[y0:y1, x0:x1], shifted(transform, -x0, -y0), 96)
        assert np.abs(part - cut(picture, transform, 96)).max() < 0.2
        lower = cut(picture, transform, 96, top=48)
        assert np.abs(lower - cut(picture, transform, 96)[48:]).max() < 0.2


def test_boxes_outside_the_picture_still_name_pixels():
    for box in ((-500, -500, -400, -380), (1000, 20, 1100, 140), (-50, -50, 1000, 900)):
        x0, y0, x1, y1 = box_around(transforms(track([box]), 96)[0], (0, 0, 95, 95), 320, 240, 2)
        assert 0 <= x0 < x1 <= 320 and 0 <= y0 < y1 <= 240


def test_large_faces_do_not_alias():
    stripes = np.zeros((600, 600, 3), np.float32)
    stripes[:, ::2] = 255  # finer than the crop can show
    crop = cut(stripes, transforms(track([(50, 50, 530, 500)]), 96)[0], 96)
    assert crop[20:-20, 20:-20].std() < 4


@pytest.mark.parametrize("stretch, move", [(0.94, 0.02), (1.0, 0.0), (1.1, -0.05)])
def test_another_detectors_habit_is_taken_out_without_trembling(stretch, move):
    rng = np.random.default_rng(0)
    eyes_to_mouth = 40.0
    centre = 200 + np.cumsum(rng.normal(0, 1, (50, 2)), axis=0)
    marks = np.stack([centre + (dx * eyes_to_mouth, dy * eyes_to_mouth)
                      for dx, dy in ((-0.49, -0.5), (0.49, -0.5), (0, 0.1), (-0.4, 0.5), (0.4, 0.5))], axis=1)  # fmt: skip
    half = np.array([2.09, 2.93]) * eyes_to_mouth / 2
    true_centre = centre + (0, -0.19 * eyes_to_mouth)
    drawn = true_centre + np.array([0, move]) * 2 * half
    boxes = np.concatenate([drawn - stretch * half, drawn + stretch * half], axis=1)
    noisy = marks + rng.normal(0, 1.0, marks.shape)
    found = conventional(track(boxes, noisy.astype(np.float32)))
    size = found[:, 2:] - found[:, :2]
    assert np.abs(size / (2 * half) - 1).max() < 0.03
    assert np.abs((found[:, :2] + size / 2 - true_centre) / (2 * half)).max() < 0.02
    assert np.abs(np.diff(size, axis=0)).max() < 1e-3  # the landmarks' noise does not come in


def test_smoothing_is_centred_and_keeps_constants():
    values = np.zeros(41)
    values[20] = 1
    blurred = smoothed(values, 2.0)
    assert blurred.argmax() == 20 and np.allclose(blurred, blurred[::-1])
    assert np.allclose(smoothed(np.full((7, 2), 3.0), 4.0), 3.0)
    assert smoothed(np.array([5.0]), 3.0).tolist() == [5.0]
