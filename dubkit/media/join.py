"""Feeds the packets of encoded pieces to ffmpeg as one stream, each frame at its exact time, and proves that they join."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

from dubkit.errors import MediaError, ProcessError
from dubkit.media.h264 import ParameterSets, parameter_sets
from dubkit.media.packets import libav_open, open_media
from dubkit.process import Pipe
from dubkit.types import VideoStream


def reorder_depth(pieces: Sequence[Path]) -> int:
    """Frames by which decoding runs ahead of presentation (B frames), at most."""
    depths = []
    for piece in pieces:
        with open_media(piece) as container:
            depths.append(_depth(container.streams.video[0].codec_context))
    return max(depths)


def joint_parameter_sets(pieces: Sequence[Path]) -> bytes:
    """Extradata that holds the parameter sets of every piece: those copied from the source, and those encoded."""
    units: dict[bytes, None] = {}
    for piece in pieces:
        with open_media(piece) as container:
            units |= dict.fromkeys(parameter_sets(container.streams.video[0].codec_context.extradata).units)
    return ParameterSets(tuple(units), None).annex_b()


def _depth(context) -> int:
    # PyAV before 17 (the last for Python 3.10) only says whether there is any; x264 and x265 never need more than two.
    return getattr(context, "reorder_depth", 2 * bool(context.has_b_frames))


class _Sink:
    """What PyAV needs of a file that can only be written. An error is kept: PyAV would give it another name."""

    def __init__(self, pipe: Pipe):
        self._pipe, self.error = pipe, None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._pipe.write(data)
            except ProcessError as error:
                self.error = error
        return len(data)


def feed(
    pieces: Sequence[Path], video: VideoStream, depth: int, transport: str, pipe: Pipe, header: bytes | None = None
) -> None:
    """Sends all pieces as one stream, frame n at (n + depth) / rate, so that no decoding time is negative.

    ``depth``: frames of reordering. ``transport``: the format of the stream, "mov" (in fragments) or "nut". ``header``:
    extradata for pieces that do not all have the same (``joint_parameter_sets``).
    """
    tick, sink = 1 / video.rate, _Sink(pipe)
    options = {
        "movflags": "frag_keyframe+empty_moov+default_base_moof",
        "video_track_timescale": str(timescale(video)),
    }
    with libav_open(sink, "w", format=transport, options=options if transport == "mov" else None) as joined:
        out, first, written = None, None, 0
        for path in pieces:
            with open_media(path) as piece:
                stream = piece.streams.video[0]
                nature = _nature(stream, header is not None)
                if out is None:
                    first, out = nature, joined.add_stream_from_template(stream)
                    out.time_base = tick
                    if header is not None:
                        out.codec_context.extradata = header
                elif nature != first:
                    raise MediaError(f"the piece {path.name} was encoded otherwise than the first; encode both again")
                count = 0
                for packet, place in _timed(path, piece, stream, tick):
                    packet.stream = out
                    packet.time_base, packet.duration = tick, 1
                    packet.pts, packet.dts = written + place + depth, written + count
                    joined.mux(packet)
                    if sink.error:
                        raise sink.error
                    count += 1
                written += count
        if written != video.num_frames:
            raise MediaError(f"the pieces hold {written} frames, the film has {video.num_frames}; encode it again")


def _nature(stream, mixed: bool) -> tuple:
    """What must be equal for pieces to be one stream; ``mixed``: some are copied and have parameter sets of their own."""
    context = stream.codec_context
    picture = context.name, context.width, context.height, context.pix_fmt
    return picture if mixed else (*picture, _depth(context), context.extradata)


def _timed(path: Path, piece, stream, tick: Fraction) -> Iterator[tuple[av.Packet, int]]:
    """Packets of a piece with their frame number in it. Raises MediaError where frames are missing or cannot join."""
    zero, places = None, set()
    for packet in piece.demux(stream):
        if not packet.size:
            continue
        if zero is None:
            zero = packet.pts
            if not packet.is_keyframe:
                raise MediaError(f"the piece {path.name} does not begin with a key frame")
        place = (packet.pts - zero) * stream.time_base / tick
        if place.denominator != 1 or place < 0 or place in places:
            raise MediaError(f"the piece {path.name} has a frame at {float(place):.3f} where none can be")
        places.add(place)
        yield packet, int(place)
    if not places or max(places) != len(places) - 1:
        raise MediaError(f"the piece {path.name} is incomplete; encode it again")


def timescale(video: VideoStream) -> int:
    """Ticks a second of the picture's clock: a multiple of the rate, so that every frame has an exact time."""
    ticks = video.rate.numerator
    while ticks < 10_000:
        ticks *= 2
    return ticks
