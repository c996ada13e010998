"""Encodes the film piece by piece, so that a killed run loses at most one piece, and joins the pieces with the sound.

A piece never crosses a shot and is named by the digest of everything that changes its bytes; a piece that exists is
whole (it was renamed when complete) and is used as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from dubkit.digest import value_digest
from dubkit.media.reader import FrameReader
from dubkit.media.writer import PIECE_SUFFIX, FrameWriter
from dubkit.progress import Progress
from dubkit.render.compose import Composer
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange, Media, Shot

VERSION = "1"
_ENCODER_KEYS = ("codec", "quality", "speed")  # the settings that a piece's bytes depend on


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one shot that is encoded at once."""

    frames: FrameRange
    path: Path


def plan_pieces(
    media: Media, shots: Sequence[Shot], lips: Mapping[str, FrameRange], settings: RenderSettings, folder: Path
) -> list[Piece]:
    """Cuts the film at shots and into at most ``chunk_seconds``. ``lips``: digest of each lip result → its frames."""
    longest = max(1, int(settings.chunk_seconds * media.video.rate))
    encoder = {key: getattr(settings, key) for key in _ENCODER_KEYS}
    pieces = []
    for start, stop in _cuts(media.video.num_frames, shots, longest):
        frames = FrameRange(start, stop)
        inside = sorted(digest for digest, where in lips.items() if len(where & frames))
        digest = value_digest([VERSION, media.digest, start, stop, inside, encoder])
        pieces.append(Piece(frames, folder / f"{start:07}-{stop:07}-{digest[:16]}{PIECE_SUFFIX}"))
    return pieces


def _cuts(num_frames: int, shots: Sequence[Shot], longest: int) -> Iterator[tuple[int, int]]:
    edges = sorted({0, num_frames, *(s.frames.start for s in shots if 0 < s.frames.start < num_frames)})
    for start, stop in zip(edges, edges[1:], strict=False):
        count = -(-(stop - start) // longest)
        for i in range(count):
            yield start + (stop - start) * i // count, start + (stop - start) * (i + 1) // count


def discard_others(pieces: Sequence[Piece], folder: Path) -> None:
    """Deletes what lies in the folder and is not of this plan: pieces of older plans, leftovers of killed runs."""
    keep = {piece.path.name for piece in pieces}
    for other in folder.iterdir() if folder.is_dir() else ():
        if other.name not in keep:
            other.unlink()


def encode_pieces(
    reader: FrameReader, pieces: Sequence[Piece], composer: Composer, settings: RenderSettings, progress: Progress
) -> None:
    """Encodes the pieces that are not there yet; neighbours share one decoding pass."""
    video, total = reader.media.video, sum(len(piece.frames) for piece in pieces)
    done = sum(len(piece.frames) for piece in pieces if piece.path.exists())
    progress(done, total)
    for missing, group in groupby(pieces, key=lambda piece: not piece.path.exists()):
        if not missing:
            continue
        run = list(group)
        frames = reader.read(FrameRange(run[0].frames.start, run[-1].frames.stop))
        for piece in run:
            with FrameWriter(piece.path, video, settings) as writer:
                for _ in piece.frames:
                    writer.write(composer.compose(next(frames)))
                    done += 1
                    progress(done, total)
            composer.forget_before(piece.frames.stop)
