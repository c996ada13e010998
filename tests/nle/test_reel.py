"""Uses and reels over any timeline: every frame that is seen is in the reel once, at the right moment of its media."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dubkit.nle.reel import MediaInfo, letters, plan
from dubkit.nle.timeline import Timeline, TimelineError, Track
from dubkit.nle.uses import GENERATOR, Scope, visible, without
from dubkit.types import FrameRange
from tests.nle.timelines import MEDIA, timelines

SPEEDS = (Fraction(1), Fraction(1, 2), Fraction(2), Fraction(3, 4))


def topmost(timeline: Timeline, frame: int):
    """Said again, naively: the clip that is seen at a frame."""
    for track in reversed(timeline.of_kind("video")):
        for clip in track.clips:
            if frame in clip.record and clip.without_media != GENERATOR:
                return clip
    return None


@settings(max_examples=120, deadline=None)
@given(
    timeline=timelines(speeds=SPEEDS, tracks=("video", "video", "video")),
    handles=st.integers(0, 30),
    media_rate=st.sampled_from([24, 25, 30]),
)
def test_every_frame_that_is_seen_is_in_the_reel_once(timeline, handles, media_rate):
    duration = Fraction(10_000)
    info = MediaInfo(duration, Fraction(media_rate), ("look",), 2)
    uses, refusals = visible(timeline)
    assert not refusals
    reels, short = plan(uses, timeline.rate, handles, lambda path: info)
    assert not short and len(reels) == 1
    [reel] = reels
    assert [p.reel_start for p in reel.pieces] == [
        sum(q.length for q in reel.pieces[:i]) for i in range(len(reel.pieces))
    ]
    seen = {}
    for piece in reel.pieces:
        assert piece.source_start >= 0 and piece.source_start + piece.length / reel.rate * piece.speed <= duration
        for use in piece.uses:
            for frame in use.record:
                assert frame not in seen
                seen[frame] = use.clip
                inside = piece.source_start + (frame - piece.at) / reel.rate * piece.speed
                assert inside == timeline.source_time(use.clip, frame)
                reel_frame = piece.reel_start + frame - piece.at
                assert reel.record_at(reel_frame) == frame and reel.piece_at(reel_frame) is piece
    for frame in range(timeline.duration):
        assert seen.get(frame) is topmost(timeline, frame)
    handles_in_reel = [f for f in range(min(reel.length, 300)) if reel.record_at(f) is None]
    if handles == 0:
        assert handles_in_reel == []


@settings(max_examples=60, deadline=None)
@given(timeline=timelines(tracks=("video",)), low=st.integers(0, 200), length=st.integers(1, 100))
def test_a_scope_takes_what_lies_in_it(timeline, low, length):
    scope = FrameRange(low, low + length)
    wanted = [frame for clip in timeline.tracks[0].clips for frame in clip.record & scope]
    if not wanted:
        with pytest.raises(TimelineError, match="chosen part"):
            visible(timeline, [Scope(scope)])
        return
    uses, _ = visible(timeline, [Scope(scope), Scope(scope, track=1), Scope(scope, track=2)])
    assert [frame for use in uses for frame in use.record] == wanted


def test_razor_cuts_and_near_neighbours_become_one_piece():
    from dubkit.nle.timeline import Clip

    rate, info = Fraction(25), MediaInfo(Fraction(100), Fraction(25), (), 2)

    def cut(*ranges):
        return Timeline(
            "t",
            rate,
            (Track("video", "V", tuple(Clip("c", FrameRange(a, b), MEDIA, Fraction(a, 25)) for a, b in ranges)),),
        )

    count = lambda timeline, handles: len(plan(visible(timeline)[0], rate, handles, lambda path: info)[0][0].pieces)  # noqa: E731
    assert count(cut((0, 10), (10, 20)), 0) == 1
    assert count(cut((0, 10), (15, 20)), 2) == 2
    assert count(cut((0, 10), (14, 20)), 2) == 1  # their handles meet


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=6), st.integers(0, 50), st.integers(0, 40))
def test_without(holes, start, length):
    whole, taken = FrameRange(start, start + length), [FrameRange(a, a + n) for a, n in holes]
    left = without(whole, taken)
    assert [f for part in left for f in part] == [f for f in whole if not any(f in hole for hole in taken)]
    assert all(len(part) for part in left)


def test_letters_are_unique_and_without_digits():
    names = [letters(n) for n in range(2000)]
    assert len(set(names)) == 2000 and all(name.isalpha() and name.isascii() for name in names)
