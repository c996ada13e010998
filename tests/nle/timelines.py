"""Timelines for tests of formats: by hand, and drawn by hypothesis over rates, starts, cuts and speeds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from hypothesis import strategies as st

from dubkit.nle.timeline import Clip, Marker, MediaFacts, Timeline, Track
from dubkit.timing import Timecode, nominal
from dubkit.types import FrameRange

RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(50), Fraction(60)]
RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 60)]
MEDIA = Path("/media/film ñ & <b>.mov").absolute()


@st.composite
def timelines(
    draw, *, speeds=(Fraction(1),), tracks=("video", "video", "audio"), rates=tuple(RATES), markers=True
) -> Timeline:
    """Any timeline whose clips are plain, or run at one of ``speeds``."""
    rate = draw(st.sampled_from(rates))
    drop = nominal(rate) % 30 == 0 and rate.denominator == 1001 and draw(st.booleans())
    start = draw(st.integers(0, 20 * 3600 * nominal(rate)))
    made = []
    for number, kind in enumerate(tracks):
        clips, position = [], 0
        for n in range(draw(st.integers(0 if number else 1, 4))):
            position += draw(st.integers(0, 40))
            length = draw(st.integers(1, 100))
            source = draw(st.integers(0, 5000)) / rate
            speed = draw(st.sampled_from(speeds))
            facts = MediaFacts(rate, 100_000, 1280, 720, 2)
            clips.append(
                Clip(f"{kind} {number} {n}", FrameRange(position, position + length), MEDIA, source, speed, facts=facts)
            )
            position += length
        made.append(Track(kind, f"{kind} {number}", tuple(clips)))
    noted = (Marker(FrameRange(3, 4), "look", "a note: <&>"),) if markers and draw(st.booleans()) else ()
    Timecode(start, rate, drop)
    return Timeline("name & <x>", rate, tuple(made), start, drop, noted)


def picture(timeline: Timeline) -> list[tuple[int, int, str, Fraction, Fraction]]:
    """What must survive any format: absolute record range, file, source start and speed of every video clip in order."""
    found = [
        (timeline.start + c.record.start, timeline.start + c.record.stop, c.media.name, c.source_start, c.speed)
        for t in timeline.of_kind("video")
        for c in t.clips
    ]
    return sorted(found)
