"""The plan of pieces: every frame once, cut where the film is cut, named by what changes their bytes."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dubkit.render.encode import plan_pieces, untouched
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange, Media, Shot, VideoStream

FILM = Media(
    path=Path("film.mp4"), digest="d", format="mp4", duration=40.0,
    video=VideoStream(0, "h264", 64, 48, Fraction(25), Fraction(1, 25), 1000, 0.0),
)  # fmt: skip
SHOTS = (Shot(0, FrameRange(0, 100)), Shot(1, FrameRange(100, 1000)))


def plan(lips=None, copied=(), **settings):
    return plan_pieces(FILM, SHOTS, lips or {}, RenderSettings(**settings), Path("p"), copied)


@pytest.mark.parametrize("copied", [(), (FrameRange(0, 50),), (FrameRange(60, 140), FrameRange(500, 1000))])
def test_every_frame_once_in_order(copied):
    pieces = plan(copied=copied)
    assert [n for piece in pieces for n in piece.frames] == list(range(1000))
    assert [piece.frames for piece in pieces if piece.copied] == list(copied)
    assert all(len(piece.frames) <= 250 for piece in pieces if not piece.copied)
    crossing = [p.frames for p in pieces if p.frames.start < 100 < p.frames.stop]
    assert all(frames in copied for frames in crossing)  # only a copied piece may cross a cut


def test_names_change_with_what_changes_the_bytes():
    names = [p.path.name for p in plan({"lip": FrameRange(300, 320)})]
    again = [p.path.name for p in plan({"other": FrameRange(300, 320)})]
    assert [a != b for a, b in zip(names, again, strict=True)].count(True) == 1
    assert not set(names) & {p.path.name for p in plan({"lip": FrameRange(300, 320)}, quality=3)}
    assert names == [p.path.name for p in plan({"lip": FrameRange(300, 320)}, audio_bitrate=128)]
    other = plan_pieces(replace(FILM, digest="e"), SHOTS, {}, RenderSettings(), Path("p"))
    assert not {p.path.name for p in other} & {p.path.name for p in plan()}


def test_untouched_stretches_are_whole_groups_without_a_moved_mouth():
    groups = [FrameRange(n, n + 12) for n in range(0, 60, 12)]
    assert untouched(groups, []) == (FrameRange(0, 60),)
    assert untouched(groups, [FrameRange(13, 14)]) == (FrameRange(0, 12), FrameRange(24, 60))
    assert untouched(groups, [FrameRange(11, 13), FrameRange(59, 60)]) == (FrameRange(24, 48),)
    assert untouched(groups, [FrameRange(0, 60)]) == ()
