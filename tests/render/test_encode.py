"""The plan of pieces: every frame once, cut where the film is cut, named by what changes their bytes."""

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from dubkit.render import encode
from dubkit.render.encode import Piece, encode_pieces, plan_pieces, untouched
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


class Silent:
    """A film of numbers, composed and written by nobody; what was done when is remembered."""

    media = FILM
    warnings: tuple = ()

    def __init__(self, frames: int, break_at: int = -1):
        self.begun = [threading.Event() for _ in range(frames + 1)]
        self.begun[frames].set()
        self.break_at, self.forgotten = break_at, []

    def read(self, frames):
        yield from frames

    def compose(self, number):
        self.begun[number].set()
        if number == self.break_at:
            raise ValueError("cannot be composed")
        return number

    def forget_before(self, frame):
        self.forgotten.append(frame)


class Written(list):
    """In place of ``FrameWriter``: takes no frame before the next one is being composed."""

    films: list = []

    def __init__(self, path, video, settings):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.films.append((self.path.name, list(self), kind))

    def write(self, number):
        assert self.film.begun[number + 1].wait(20), f"frame {number + 1} waits until {number} is written"
        self.append(number)


@pytest.fixture
def written(monkeypatch):
    monkeypatch.setattr(Written, "films", [])
    monkeypatch.setattr(encode, "FrameWriter", Written)
    return Written


def test_frames_are_composed_while_others_are_encoded(written, tmp_path):
    pieces = [Piece(FrameRange(0, 7), tmp_path / "a"), Piece(FrameRange(7, 20), tmp_path / "b")]
    written.film, told = Silent(20), []
    encode_pieces(written.film, pieces, written.film, RenderSettings(), lambda *at: told.append(at))
    assert written.films == [("a", list(range(7)), None), ("b", list(range(7, 20)), None)]
    assert told == [(n, 20) for n in range(21)] and written.film.forgotten == [7, 20]


def test_what_cannot_be_composed_ends_its_piece_and_leaves_nothing_running(written, tmp_path):
    pieces = [Piece(FrameRange(0, 7), tmp_path / "a"), Piece(FrameRange(7, 20), tmp_path / "b")]
    written.film = Silent(20, break_at=9)
    with pytest.raises(ValueError, match="cannot be composed"):
        encode_pieces(written.film, pieces, written.film, RenderSettings(), lambda *_: None)
    assert [(name, kind) for name, _, kind in written.films] == [("a", None), ("b", ValueError)]
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]
