"""Exact rates, frames, seconds and timecode. All rounding of dubkit happens here.

Rates are ``fractions.Fraction`` (24000/1001, never 23.976). Frame ``n`` is shown over the half-open interval
``[n / rate, (n + 1) / rate)`` seconds. Timecode follows SMPTE ST 12-1: drop-frame skips the numbers 0 and 1 (0 to 3
at 59.94) at the start of every minute that is not a multiple of ten, and is written with ';'.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from dubkit.errors import InputError

# Seconds are floats; a time computed as n / rate may come back a hair below n. Less than a millionth of a frame.
_FRAME_EPSILON = 1e-6

NTSC_RATES = {24: Fraction(24000, 1001), 30: Fraction(30000, 1001), 48: Fraction(48000, 1001),
              60: Fraction(60000, 1001), 120: Fraction(120000, 1001)}  # fmt: skip


def nominal(rate: Fraction) -> int:
    """Timecode frames in a second: 24 for 24000/1001, 30 for 30000/1001."""
    return math.ceil(rate - Fraction(1, 1000))


def exact_rate(value: float | str | Fraction) -> Fraction:
    """The broadcast rate meant by ``value``: 23.976 → 24000/1001, "30000/1001", 25.0 → 25."""
    try:
        rate = Fraction(value) if isinstance(value, (str, Fraction)) else Fraction(value).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"'{value}' is not a frame rate; write it like 25, 23.976 or 30000/1001") from error
    if rate <= 0:
        raise InputError(f"a frame rate must be above zero, got {value}")
    for candidate in (*NTSC_RATES.values(), Fraction(round(rate))):
        if candidate and abs(rate / candidate - 1) < Fraction(1, 5000):
            return candidate
    return rate


def frame_at(seconds: float, rate: Fraction) -> int:
    """The frame on screen at ``seconds`` (floor)."""
    return math.floor(seconds * rate + _FRAME_EPSILON)


def frames_covering(start: float, end: float, rate: Fraction) -> tuple[int, int]:
    """Half-open frame range that is on screen at any moment of ``[start, end)``."""
    first = frame_at(start, rate)
    return first, max(first, math.ceil(end * rate - _FRAME_EPSILON))


def seconds_at(frame: int, rate: Fraction) -> float:
    """When ``frame`` comes on screen, in seconds from project zero."""
    return float(frame / rate)


def sample_at(seconds: float | Fraction, sample_rate: int) -> int:
    """Index of the sample nearest to ``seconds``."""
    return math.floor(Fraction(seconds) * sample_rate + Fraction(1, 2))


@dataclass(frozen=True, slots=True)
class Timecode:
    """A frame number since midnight with the rate and counting mode that give it a name."""

    frame: int
    rate: Fraction
    drop: bool = False

    def __post_init__(self) -> None:
        if self.drop and nominal(self.rate) % 30:
            raise InputError(f"drop-frame timecode exists only at 29.97 and 59.94, not at {float(self.rate):.3f}")

    @classmethod
    def parse(cls, text: str, rate: Fraction) -> Timecode:
        """``HH:MM:SS:FF``; a ';' or '.' before the frames says drop-frame. Raises InputError."""
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d\d?)", text.strip())
        if not match:
            raise InputError(f"'{text}' is not a timecode; write it like 01:00:00:00, or 01:00:00;00 for drop-frame")
        hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
        base, drop = nominal(rate), match[4] != ":"
        if minutes > 59 or seconds > 59 or frames >= base:
            raise InputError(f"timecode '{text}' does not exist at {float(rate):.3f} frames a second")
        skipped = base // 15 if drop else 0
        if drop and minutes % 10 and seconds == 0 and frames < skipped:
            raise InputError(f"timecode '{text}' does not exist: drop-frame skips it")
        total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
        total_minutes = hours * 60 + minutes
        return cls(total - skipped * (total_minutes - total_minutes // 10), rate, drop)

    def __str__(self) -> str:
        base, frame = nominal(self.rate), self.frame
        if self.drop:
            skipped = base // 15
            per_ten, per_minute = base * 600 - 9 * skipped, base * 60 - skipped
            tens, rest = divmod(frame, per_ten)
            extra = 0 if rest < base * 60 else 1 + (rest - base * 60) // per_minute
            frame += skipped * (9 * tens + extra)
        seconds, frames = divmod(frame, base)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours % 24:02}:{minutes:02}:{seconds:02}{';' if self.drop else ':'}{frames:02}"
