"""From a voice to a mouth, on sounds whose answer is known."""

from __future__ import annotations

import numpy as np

from dubkit.demo.mouth import blinks, mouth, poses
from dubkit.demo.sound import FPS, RATE


def _vowel(formants, seconds=1.0):
    """A buzz at 200 Hz whose harmonics near the formants are strong, each formant 8 dB below the one before."""
    t = np.arange(int(seconds * RATE)) / RATE
    return (
        sum(
            max(0.01, sum(0.4**i * np.exp(-(((h * 200 - f) / 150) ** 2)) for i, f in enumerate(formants)))
            * np.sin(2 * np.pi * h * 200 * t)
            for h in range(1, 40)
        ).astype(np.float32)
        * 0.1
    )


def _frames(*parts):
    voice = np.concatenate(parts)
    return mouth(voice, len(voice) * FPS // RATE)


SILENCE = np.zeros(RATE // 2, np.float32)


def test_silence_is_a_closed_mouth():
    open_, wide = mouth(np.zeros(2 * RATE, np.float32), 50)
    assert not open_.any() and not wide.any() and len(open_) == 50


def test_ah_opens_more_than_oo_and_ee_is_wider_than_oo():
    ah, oo, ee = _vowel((800, 1200)), _vowel((320, 700)), _vowel((300, 2400))
    open_, wide = _frames(SILENCE, ah, SILENCE, oo, SILENCE, ee, SILENCE)
    at = {name: slice(start, start + 12) for name, start in (("ah", 18), ("oo", 56), ("ee", 93))}
    assert open_[at["ah"]].mean() > open_[at["oo"]].mean() + 0.3
    assert wide[at["ee"]].mean() > 0.5 > -0.5 > wide[at["oo"]].mean()


def test_the_lips_close_between_two_syllables_and_lead_the_sound_a_little():
    ah = _vowel((800, 1200), 0.4)
    open_, _ = _frames(SILENCE, ah, np.zeros(int(0.12 * RATE), np.float32), ah, SILENCE)
    assert open_[21:25].min() < 0.25 * open_.max()  # 0.9 s to 1.02 s is the gap
    starts = np.flatnonzero(open_ > 0.3 * open_.max())[0] / FPS
    assert 0.40 <= starts <= 0.52  # the sound starts at 0.5 s


def test_hissing_keeps_the_teeth_together():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(RATE, 1 / RATE) < 4500] = 0
    hiss = 0.1 * np.fft.irfft(spectrum, RATE).astype(np.float32)
    open_, _ = _frames(SILENCE, hiss, SILENCE, _vowel((800, 1200)), SILENCE)
    assert open_[16:36].mean() < 0.3 * open_[54:74].mean()


def test_blinks_come_at_a_human_pace_and_are_the_same_each_time():
    closed = blinks(60 * FPS, seed=1)
    count = (np.diff((closed > 0.9).astype(int)) == 1).sum()
    assert 12 <= count <= 30 and np.array_equal(closed, blinks(60 * FPS, seed=1))


def test_a_pose_for_every_frame():
    assert len(poses(np.zeros(RATE, np.float32), 25, seed=3)) == 25
