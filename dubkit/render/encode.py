"""Encodes the film piece by piece, so that a killed run loses at most one piece, and joins the pieces with the sound.

A piece never crosses a shot and is named by the digest of everything that changes its bytes; a piece that exists is
whole (it was renamed when complete) and is used as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from pathlib import Path

from dubkit.digest import value_digest
from dubkit.media.ahead import ahead
from dubkit.media.copying import copy_piece
from dubkit.media.frame import Frame
from dubkit.media.reader import FrameReader
from dubkit.media.writer import PIECE_SUFFIX, FrameWriter
from dubkit.progress import Progress
from dubkit.render.compose import Composer
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange, Media, Shot

VERSION = "2"
_AHEAD = 2
"""Frames that are composed while others are encoded; each is held in memory."""
_ENCODER_KEYS = ("codec", "quality", "speed", "copy_untouched")  # the settings that a piece's bytes depend on


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one shot that is encoded at once, or one that is copied from the source."""

    frames: FrameRange
    path: Path
    copied: bool = False


def untouched(groups: Sequence[FrameRange], lips: Iterable[FrameRange]) -> tuple[FrameRange, ...]:
    """The longest stretches of whole ``groups`` (which cover the film in order) in which no lip result has a frame."""
    moved, stretches = list(lips), []
    for group in groups:
        if any(len(group & frames) for frames in moved):
            continue
        if stretches and stretches[-1].stop == group.start:
            stretches[-1] = FrameRange(stretches[-1].start, group.stop)
        else:
            stretches.append(group)
    return tuple(stretches)


def plan_pieces(
    media: Media,
    shots: Sequence[Shot],
    lips: Mapping[str, FrameRange],
    settings: RenderSettings,
    folder: Path,
    copied: Sequence[FrameRange] = (),
) -> list[Piece]:
    """Cuts the film at shots and into at most ``chunk_seconds``. ``lips``: digest of each lip result → its frames.

    ``copied``: stretches that are taken from the source as they are, each one piece.
    """
    longest = max(1, int(settings.chunk_seconds * media.video.rate))
    encoder = {key: getattr(settings, key) for key in _ENCODER_KEYS}
    pieces = []
    for frames, copy in _cuts(media.video.num_frames, shots, longest, copied):
        inside = sorted(digest for digest, where in lips.items() if len(where & frames))
        parts = [VERSION, media.digest, frames.start, frames.stop, *(["copied"] if copy else [inside, encoder])]
        name = f"{frames.start:07}-{frames.stop:07}-{value_digest(parts)[:16]}{PIECE_SUFFIX}"
        pieces.append(Piece(frames, folder / name, copy))
    return pieces


def _cuts(
    num_frames: int, shots: Sequence[Shot], longest: int, copied: Sequence[FrameRange]
) -> Iterator[tuple[FrameRange, bool]]:
    whole = {frames.start: frames.stop for frames in copied}
    edges = {0, num_frames, *whole, *whole.values()}
    cuts = [shot.frames.start for shot in shots]
    edges |= {cut for cut in cuts if not any(cut in frames for frames in copied)}
    ordered = sorted(edge for edge in edges if 0 <= edge <= num_frames)
    for start, stop in pairwise(ordered):
        count = 1 if start in whole else -(-(stop - start) // longest)
        for i in range(count):
            first, last = start + (stop - start) * i // count, start + (stop - start) * (i + 1) // count
            yield FrameRange(first, last), start in whole


def discard_others(pieces: Sequence[Piece], folder: Path) -> None:
    """Deletes what lies in the folder and is not of this plan: pieces of older plans, leftovers of killed runs."""
    keep = {piece.path.name for piece in pieces}
    for other in folder.iterdir() if folder.is_dir() else ():
        if other.name not in keep:
            other.unlink()


def encode_pieces(
    reader: FrameReader, pieces: Sequence[Piece], composer: Composer, settings: RenderSettings, progress: Progress
) -> None:
    """Encodes (or copies) the pieces that are not there yet; neighbours share one decoding pass. Raises CopyRefused.

    Frames are decoded and composed in a thread of their own while the one before is handed to the encoder, a program that
    works for itself.
    """
    video, total = reader.media.video, sum(len(piece.frames) for piece in pieces)
    done = sum(len(piece.frames) for piece in pieces if piece.path.exists())
    progress(done, total)
    for how, group in groupby(pieces, key=_how):
        if how == "keep":
            continue
        run = list(group)
        if how == "copy":
            for piece in run:
                copy_piece(reader.media, piece.frames, piece.path)
                done += len(piece.frames)
                progress(done, total)
            continue
        with ahead(_composed(reader, run, composer), _AHEAD) as frames:
            for piece in run:
                with FrameWriter(piece.path, video, settings) as writer:
                    for _ in piece.frames:
                        writer.write(next(frames))
                        done += 1
                        progress(done, total)


def _composed(reader: FrameReader, run: Sequence[Piece], composer: Composer) -> Iterator[Frame]:
    frames = reader.read(FrameRange(run[0].frames.start, run[-1].frames.stop))
    for piece in run:
        for frame in islice(frames, len(piece.frames)):
            yield composer.compose(frame)
        composer.forget_before(piece.frames.stop)


def _how(piece: Piece) -> str:
    return "keep" if piece.path.exists() else "copy" if piece.copied else "encode"
