"""Rates, frames and timecode: exact, both ways."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubkit.errors import InputError
from dubkit.timing import Timecode, exact_rate, frame_at, frames_covering, sample_at, seconds_at

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50),
         Fraction(60000, 1001), Fraction(60)]  # fmt: skip
DAY = 24 * 3600


@given(st.sampled_from(RATES), st.integers(0, 60 * 3600 * 2))
def test_frame_survives_seconds(rate, frame):
    assert frame_at(seconds_at(frame, rate), rate) == frame


@given(st.sampled_from(RATES), st.booleans(), st.integers(0, 10_000_000))
def test_timecode_round_trip(rate, drop, number):
    drop = drop and rate in (RATES[3], RATES[6])
    base = -(-rate.numerator // rate.denominator)
    number %= DAY * base - (24 * 54 * base * 2 // 30 if drop else 0)  # frames of a day in this counting mode
    assert Timecode.parse(str(Timecode(number, rate, drop)), rate) == Timecode(number, rate, drop)


# Published reference points of SMPTE drop-frame counting at 29.97.
@pytest.mark.parametrize(
    ("frame", "text"),
    [(0, "00:00:00;00"), (1799, "00:00:59;29"), (1800, "00:01:00;02"), (17982, "00:10:00;00"), (107892, "01:00:00;00")],
)
def test_drop_frame_reference_points(frame, text):
    assert str(Timecode(frame, Fraction(30000, 1001), drop=True)) == text


@pytest.mark.parametrize("text", ["00:01:00;00", "00:01:00;01", "00:60:00:00", "1:00:00:00", "00:00:00:25", "hello"])
def test_timecodes_that_do_not_exist(text):
    rate = Fraction(30000, 1001) if ";" in text else Fraction(25)
    with pytest.raises(InputError):
        Timecode.parse(text, rate)


def test_drop_frame_needs_an_ntsc_rate():
    with pytest.raises(InputError, match="29.97"):
        Timecode(0, Fraction(25), drop=True)


@pytest.mark.parametrize(
    ("given_value", "rate"),
    [(23.976, Fraction(24000, 1001)), (23.98, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)), ("25", Fraction(25)),
     (59.94, Fraction(60000, 1001)), ("30000/1001", Fraction(30000, 1001)), (12.5, Fraction(25, 2)), (24.0, Fraction(24))],
)  # fmt: skip
def test_exact_rate(given_value, rate):
    assert exact_rate(given_value) == rate


@pytest.mark.parametrize("value", ["fast", 0, -25, "1/0"])
def test_no_rate(value):
    with pytest.raises(InputError):
        exact_rate(value)


def test_frames_covering_is_half_open():
    assert frames_covering(0.04, 0.08, Fraction(25)) == (1, 2)
    assert frames_covering(0.05, 0.081, Fraction(25)) == (1, 3)
    assert frames_covering(1.0, 1.0, Fraction(25)) == (25, 25)


def test_sample_at_rounds_to_nearest():
    assert sample_at(Fraction(1, 3), 48000) == 16000
    assert sample_at(0.5 / 48000, 48000) in (0, 1)
