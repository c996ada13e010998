"""Timing: a line into its slot.

In this order: natural rate; the pause after the slot, up to a limit; a little slower or faster; shorter pauses inside
the line; faster up to the hard limit; and then the line is too long, and says by how many characters. The limits are
those on which public dubbing suites agree (0.9 to 1.15 unnoticed, 1.3 at most).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dubkit.settings import VoiceSettings
from dubkit.types import Line, Segment
from dubkit.voice.tracks import RATE

LONG_PAUSE, SHORT_PAUSE = 0.25, 0.12  # seconds: pauses inside a tight line that are longer are made as short as this
FULL = 0.97  # a line that fills this share of its slot is left at its natural rate
FADE = RATE // 200  # samples, 5 ms
CUT_FADE = RATE * 3 // 100  # samples, 30 ms


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a line may sound, in seconds: in ``segment`` by right, to ``soft_end`` by borrowing the pause, never
    beyond ``hard_end``, where the same speaker goes on or the film ends."""

    segment: Segment
    soft_end: float
    hard_end: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What to do with a line: ``speed`` (1.1 is 10 % faster), and the seconds it is cut to, where it must be cut."""

    speed: float
    length: float  # seconds, after speeding and cutting
    tighten: bool = False  # shorten the pauses inside it first
    notes: tuple[str, ...] = ()


def slots(lines: Sequence[Line], duration: float, settings: VoiceSettings) -> dict[str, Slot]:
    """The slot of every line by line id."""
    ordered = sorted(lines, key=lambda line: (line.segment, line.id))
    result: dict[str, Slot] = {}
    for i, line in enumerate(ordered):
        start, end = min(line.segment.start, duration), min(line.segment.end, duration)
        later = [other for other in ordered[i + 1 :] if other.segment.start >= start]
        anyone = min((o.segment.start for o in later if o.segment.start >= end), default=duration)
        same = min((o.segment.start for o in later if o.speaker == line.speaker), default=duration)
        segment = Segment(start, max(start, min(end, same)))
        talked_over = any(o.segment.start < segment.end < o.segment.end for o in ordered if o is not line)
        free = segment.end if talked_over else max(segment.end, anyone)
        result[line.id] = Slot(segment, min(segment.end + settings.borrow_gap, free, same), max(same, start))
    return result


def fit(
    natural: float, tightened: float, slot: Slot, text: str, settings: VoiceSettings, *, recorded: bool = False
) -> Fit:
    """How a line of ``natural`` seconds (``tightened`` with short pauses) gets into its slot.

    ``recorded``: a human performance is never slowed down.
    """
    own, room = slot.segment.duration, slot.soft_end - slot.segment.start
    if natural <= own * FULL and own > 0:
        speed = 1.0 if recorded else max(settings.natural_min, natural / own)
        length = natural / speed
        return Fit(speed, length, notes=_short_note(natural, length, own, text, settings))
    if natural <= room:
        return Fit(1.0, natural)
    if room > 0 and natural / room <= settings.natural_max:
        return Fit(natural / room, room)
    limit = settings.stretch_max
    if room > 0 and tightened / room <= limit:
        speed = max(1.0, tightened / room)
        notes = (f"hurried: {speed:.2f} times its natural speed",) if speed > settings.natural_max else ()
        return Fit(speed, tightened / speed, tighten=True, notes=notes)
    length, over = tightened / limit, tightened / limit - max(room, 0.0)
    note = f"too long by {over:.1f} s at {limit:g} times its speed"
    if text:
        note += f": cut about {math.ceil(over * limit * len(text) / natural)} of its {len(text)} characters"
    last = slot.hard_end - slot.segment.start
    if length <= last:
        return Fit(limit, length, tighten=True, notes=(f"{note}; it runs over its slot",))
    return Fit(limit, max(0.0, last), tighten=True, notes=(f"{note}; its last {length - last:.1f} s were cut off",))


def _short_note(natural: float, length: float, own: float, text: str, settings: VoiceSettings) -> tuple[str, ...]:
    if length >= settings.short * own:
        return ()
    note = f"too short by {own - length:.1f} s: the actor's lips move longer than the line"
    if text:
        more = round((own * settings.natural_min - natural) * len(text) / natural) if natural else 0
        note += f"; about {more} characters more would fill it" if more > 0 else ""
    return (note,)


# ------------------------------------------------------------------------------------------------------------- samples


def trimmed(audio: np.ndarray, threshold_db: float = -45.0, margin: float = 0.01) -> np.ndarray:
    """A line without the silence at its ends (below ``threshold_db`` under its own peak), with 5 ms fades."""
    loud = np.flatnonzero(np.abs(audio) > np.abs(audio).max(initial=0) * 10 ** (threshold_db / 20))
    if not len(loud):
        return np.zeros(0, np.float32)
    keep = round(margin * RATE)
    return faded(audio[max(0, loud[0] - keep) : loud[-1] + 1 + keep], FADE, FADE)


def tightened(audio: np.ndarray) -> np.ndarray:
    """A line whose inner pauses over 0.25 s last 0.12 s."""
    from dubkit.voice.activity import frame_levels, speech

    spoken = speech(frame_levels(iter([audio[None]])), min_gap=LONG_PAUSE)
    cuts = [
        (round((a.end + SHORT_PAUSE / 2) * RATE), round((b.start - SHORT_PAUSE / 2) * RATE))
        for a, b in zip(spoken, spoken[1:], strict=False)
    ]
    parts, start = [], 0
    for stop, following in cuts:
        parts.append(faded(audio[start:stop], FADE if start else 0, FADE))
        start = following
    parts.append(faded(audio[start:], FADE if start else 0, 0))
    return np.concatenate(parts)


def cut_to(audio: np.ndarray, samples: int) -> np.ndarray:
    """Exactly ``samples`` long: a long line is faded out over 30 ms, a short one gets silence."""
    if len(audio) > samples:
        return faded(audio[:samples], 0, CUT_FADE)
    return np.pad(audio, (0, samples - len(audio)))


def faded(audio: np.ndarray, fade_in: int, fade_out: int) -> np.ndarray:
    """A copy with linear fades of so many samples."""
    audio = audio.astype(np.float32, copy=True)
    a, b = min(fade_in, len(audio)), min(fade_out, len(audio))
    audio[:a] *= np.linspace(0, 1, a, endpoint=False, dtype=np.float32)
    if b:
        audio[-b:] *= np.linspace(1, 0, b, dtype=np.float32)
    return audio
