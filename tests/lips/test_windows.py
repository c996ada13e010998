"""Windows: one for every frame at any rate, where training puts them, and the same whether fetched in pieces or whole."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit.errors import InputError
from dubkit.lips import mel
from dubkit.lips.windows import step_range, voice_segment, voice_windows
from dubkit.types import FrameRange

RATES = [Fraction(n, d) for n, d in ((24, 1), (24000, 1001), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001),
                                     (60, 1), (12, 1), (120, 1), (1000, 41))]  # fmt: skip


def film_voice(samples):
    def voice(speaker, segment):
        start, count = round(segment.start * 16000), round(segment.duration * 16000)
        padded = np.pad(samples, (max(0, -start), max(0, start + count - len(samples))))
        return padded[max(0, start) :][:count]

    return voice


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(1).normal(0, 0.1, 16000 * 4).astype(np.float32)


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_frames_out_are_frames_in_and_equal_the_whole_track(samples, rate):
    count = floor(3 * rate)
    frames = FrameRange(0, count)
    cut = voice_windows(film_voice(samples), "ann", frames, rate)
    assert cut.shape == (count, 1, 80, 16)
    whole = mel.melspectrogram(np.pad(samples, (16000, 0)))  # a second of silence before: project zero is step 80
    for n in (5, count // 2, count - 1):
        start = 80 + floor(80 * (Fraction(n) / rate - Fraction(1, 25)))
        assert np.abs(cut[n, 0] - whole[:, start : start + 16]).max() < 1e-4


def test_at_25_fps_the_window_is_the_one_of_training():
    for n in range(1, 500):
        assert step_range(FrameRange(n, n + 1), Fraction(25))[0] == int(80 * (n - 1) / 25)


@given(st.integers(0, 10**6), st.integers(1, 300), st.sampled_from(RATES))
def test_ranges_are_exact_far_into_a_film(start, length, rate):
    first, last = step_range(FrameRange(start, start + length), rate)
    assert first == floor(80 * (start / rate) - Fraction(16, 5))
    assert last - first == floor(80 * ((start + length - 1) / rate) - Fraction(16, 5)) + 16 - first
    segment = voice_segment(FrameRange(start, start + length), rate)
    assert abs(segment.start * 80 - round(segment.start * 80)) < 1e-6


def test_a_job_in_pieces_has_the_windows_of_the_whole(samples):
    voice, rate = film_voice(samples), Fraction(24000, 1001)
    whole = voice_windows(voice, "ann", FrameRange(10, 60), rate)
    pieces = [voice_windows(voice, "ann", FrameRange(a, a + 10), rate) for a in range(10, 60, 10)]
    assert np.abs(np.concatenate(pieces) - whole).max() < 1e-4


def test_beyond_both_ends_of_the_film_is_silence(samples):
    before = voice_windows(film_voice(samples), "ann", FrameRange(0, 1), Fraction(25))
    after = voice_windows(film_voice(samples), "ann", FrameRange(200, 202), Fraction(25))
    assert (before[0, 0, :, :2] == mel.SILENCE).all() and (before[0, 0, :, 8:] > mel.SILENCE).any()
    assert (after == mel.SILENCE).all()


def test_short_voice_is_followed_by_silence_and_empty_voice_is_silence():
    short = voice_windows(lambda speaker, segment: np.ones(100, np.float32), "ann", FrameRange(0, 20), Fraction(25))
    assert short.shape[0] == 20 and (short[-1] == mel.SILENCE).all()
    assert (
        voice_windows(lambda *_: np.zeros(0, np.float32), "ann", FrameRange(0, 1), Fraction(25)) == mel.SILENCE
    ).all()


def test_two_channels_are_refused():
    with pytest.raises(InputError, match="one channel"):
        voice_windows(lambda *_: np.zeros((2, 100), np.float32), "ann", FrameRange(0, 1), Fraction(25))
