"""References: a mouth as the voice wants it in the same pose, laid over the frame; never a covered one."""

import cv2
import numpy as np

from dubkit.lips import mel, reference
from dubkit.lips.reference import choose, laid_over, opening_of_voice, openness, references


def face(opening: float, shift: float = 0.0, light: int = 0) -> np.ndarray:
    picture = np.full((96, 96, 3), (150, 120, 100), np.uint8)
    x = 48 + shift
    cv2.ellipse(picture, (round(x), 48), (36, 46), 0, 0, 360, (205, 160, 140), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.circle(picture, (round(x + 15 * side), 36), 4, (50, 40, 40), -1, cv2.LINE_AA)
        cv2.line(picture, (round(x + 15 * side - 7), 28), (round(x + 15 * side + 7), 27), (80, 60, 50), 2, cv2.LINE_AA)
    cv2.ellipse(picture, (round(x), 54), (5, 8), 0, 0, 180, (170, 125, 110), 2, cv2.LINE_AA)
    cv2.ellipse(picture, (round(x), 72), (13, 5 + round(opening)), 0, 0, 360, (180, 80, 85), -1, cv2.LINE_AA)
    if opening:
        cv2.ellipse(picture, (round(x), 72), (9, round(opening)), 0, 0, 360, (30, 15, 15), -1, cv2.LINE_AA)
    return np.clip(picture.astype(int) + light, 0, 255).astype(np.uint8)


def test_an_open_mouth_is_open_and_light_is_not():
    closed, slightly, wide, bright = openness(np.stack([face(0), face(2), face(6), face(0, light=15)]))
    assert closed < slightly < wide and abs(bright - closed) < 0.1 * (wide - closed)


def test_calm_frames_of_the_same_pose_are_chosen():
    seen = np.stack([face(5 * (n % 3 != 0), shift=-4 if n < 30 else 4) for n in range(60)])
    chosen = choose(seen, np.ones(60, bool), np.zeros(60))
    assert (chosen % 3 == 0).all()
    assert (chosen[:30] < 30).all() and (chosen[30:] >= 30).all()
    assert (np.diff(chosen) != 0).sum() <= 3  # it does not hop


def test_mouths_open_where_the_voice_wants_them_open():
    mouth = np.tile([0, 2, 4, 6, 4, 2], 6)
    seen = np.stack([face(n) for n in mouth])
    wanted = (np.arange(36) % 12 < 6).astype(float)
    chosen = choose(seen, np.ones(36, bool), wanted)
    assert (mouth[chosen[wanted == 1]] >= 4).all() and (mouth[chosen[wanted == 0]] <= 2).all()


def test_the_voice_opens_the_mouth_by_its_vowels():
    t = np.arange(32000) / 16000
    vowels = 0.3 * np.sin(2 * np.pi * 500 * t) * ((t >= 0.5) & (t < 1.0))
    hiss = np.diff(np.random.default_rng(0).normal(0, 0.02, len(t) + 2), n=2) * (t >= 1.5)  # hardly any low part
    steps = mel.melspectrogram((vowels + hiss).astype(np.float32))
    opening = opening_of_voice(mel.windows(steps, (mel.window_start(n, 25) for n in range(45))))
    assert (opening[:11] == 0).all() and (opening[13:23] > 0.9).all() and (opening[27:35] == 0).all()
    assert opening[38:].max() < 0.6
    assert (opening_of_voice(np.full((5, 1, 80, 16), -4, np.float32)) == 0).all()


def test_a_covered_frame_never_serves():
    seen = np.stack([face(5)] * 10 + [face(0)] * 2)
    usable = np.ones(12, bool)
    usable[10:] = False
    assert (choose(seen, usable, np.zeros(12)) < 10).all()
    assert np.array_equal(references(seen, np.zeros(12, bool), np.zeros(12)), seen)


def test_the_reference_lies_over_the_frame():
    frame, calm = face(5, shift=2), face(0, shift=-1)
    moved = laid_over(calm, frame)
    still = np.zeros((96, 96), bool)
    still[20:56, 20:76] = True
    apart = np.abs(calm.astype(int) - frame)[still].mean()
    assert np.abs(moved.astype(int) - frame)[still].mean() < 0.45 * apart
    assert openness(moved[None])[0] < 0.5 * openness(frame[None])[0]  # and the mouth is the calm one


NOISE = np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype(np.uint8)


def test_what_cannot_be_laid_over_is_told():
    flat = np.full((96, 96, 3), 90, np.uint8)
    assert laid_over(NOISE, face(3)) is None and laid_over(flat, flat) is None


def test_instead_the_last_reference_that_could_stays(monkeypatch):
    seen = np.stack([face(0), face(0), face(6), NOISE, face(6)])
    monkeypatch.setattr(reference, "choose", lambda *_: np.array([0, 1, 3, 3, 3]))
    shown = references(seen, np.ones(5, bool), np.zeros(5))
    assert np.array_equal(shown[3], NOISE)  # its own choice
    assert openness(shown[2][None])[0] < 0.5 * openness(seen[2][None])[0]  # the calm mouth of frame 1
    assert np.array_equal(shown[4], seen[4])  # nothing fits: noise, then noise again


def test_the_frame_itself_where_nothing_can_be_laid_over_it(monkeypatch):
    monkeypatch.setattr(reference, "choose", lambda *_: np.array([1, 1]))
    seen = np.stack([face(3), NOISE])
    assert np.array_equal(references(seen, np.ones(2, bool), np.zeros(2))[0], seen[0])


def test_one_frame():
    assert references(face(2)[None], np.ones(1, bool), np.zeros(1)).shape == (1, 96, 96, 3)
