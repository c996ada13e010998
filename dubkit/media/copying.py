"""Stretches of an H.264 film that go into the result as they are, packet by packet, without being encoded again.

Only whole closed groups of pictures can be taken: from an IDR picture to before the next one. What is encoded between
them has parameter sets of its own, under another id (``SPS_ID``), and the header of the joined stream carries both. What
stands against it is a ``CopyRefused`` that says why; the film is then encoded as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dubkit.errors import CopyRefused, MediaError
from dubkit.files import replacing, storage_errors
from dubkit.media.codecs import CODECS, COPY_SPS_ID, encoded_format
from dubkit.media.frame import PixelFormat
from dubkit.media.h264 import DELIMITER, IDR, PPS, SPS, kind, parameter_sets, units_of, with_start_codes
from dubkit.media.packets import libav_open, open_media, scan
from dubkit.media.reader import FrameReader
from dubkit.media.writer import PIECE_FORMAT
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange, Media

_JITTER = 0.35  # frames; as in packets.cadence


@dataclass(frozen=True, slots=True)
class _Packet:
    """One picture as stored: its frame, and its NAL units without parameter sets and delimiters."""

    place: int
    is_idr: bool
    units: tuple[bytes, ...]


def closed_groups(media: Media, settings: RenderSettings) -> tuple[FrameRange, ...]:
    """The closed groups of pictures, in order, covering the film. Raises CopyRefused with the reason in plain words."""
    video = media.video
    _check_kind(media, settings)
    groups: list[FrameRange] = []
    start, places = 0, []

    def close() -> None:
        if sorted(places) != list(range(start, start + len(places))):
            raise CopyRefused(f"the group of pictures at frame {start} is not closed, or frames are missing in it")
        groups.append(FrameRange(start, start + len(places)))

    for packet in _packets(media):
        if packet.is_idr and places:
            close()
            start, places = start + len(places), []
        if not places and not packet.is_idr:
            raise CopyRefused("it does not begin with a picture that stands for itself (IDR)")
        places.append(packet.place)
    close()
    if groups[-1].stop != video.num_frames:
        raise CopyRefused(f"it has {groups[-1].stop} pictures for {video.num_frames} frames")
    return tuple(groups)


def _check_kind(media: Media, settings: RenderSettings) -> None:
    video = media.video
    reason = None
    if settings.codec != "h264":
        reason = f"the output is {settings.codec}, and only H.264 is copied"
    elif video.codec != "h264":
        reason = f"the film is {video.codec}, and only H.264 is copied"
    elif video.is_vfr:
        reason = "its frame rate varies"
    elif video.interlaced:
        reason = "it is interlaced"
    elif encoded_format(form := PixelFormat.of(video), CODECS["h264"]) != form.name or form.name not in (
        video.pix_fmt, video.pix_fmt.replace("yuvj", "yuv")
    ):  # fmt: skip
        reason = f"its pixels ({video.pix_fmt}) would be encoded as {encoded_format(form, CODECS['h264'])}"
    elif len(scan(media.path).pts) != video.num_frames:
        reason = "frames are missing in it"
    if reason:
        raise CopyRefused(reason)


def _packets(media: Media, frames: FrameRange | None = None, seek: bool = True) -> Iterator[_Packet]:
    """The packets of the film, or those of whole groups, in decoding order. Raises CopyRefused."""
    video = media.video
    with open_media(media.path) as container:
        stream = container.streams[video.index]
        try:
            sets = parameter_sets(stream.codec_context.extradata)
        except MediaError as error:
            raise CopyRefused(str(error)) from error
        if COPY_SPS_ID in sets.used_ids:
            raise CopyRefused(f"it uses the parameter set {COPY_SPS_ID} itself")
        origin, tick = Fraction(video.start).limit_denominator(10**9), video.rate * stream.time_base
        if frames is not None and frames.start and seek:
            container.seek(int((origin + frames.start / video.rate) / stream.time_base + Fraction(1, 2)), stream=stream)
        started = frames is None
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None:
                raise CopyRefused("it has pictures without a time")
            exact = packet.pts * tick - origin * video.rate
            place = round(exact)
            if abs(exact - place) > _JITTER:
                raise CopyRefused(f"a picture at {float(packet.pts * stream.time_base):.3f} s belongs to no frame")
            if frames is not None and place >= frames.stop and packet.is_keyframe:
                return
            started = started or place == frames.start
            if started:
                yield _parsed(packet, place, sets)


def _parsed(packet: av.Packet, place: int, sets) -> _Packet:
    try:
        units = tuple(units_of(bytes(packet), sets.length_size))
    except MediaError as error:
        raise CopyRefused(str(error)) from error
    if any(kind(unit) in (SPS, PPS) and unit not in sets.units for unit in units):
        raise CopyRefused(f"its parameter sets change at frame {place}")
    kept = tuple(unit for unit in units if kind(unit) not in (SPS, PPS, DELIMITER))
    return _Packet(place, any(kind(unit) == IDR for unit in units), kept)


def copy_piece(media: Media, frames: FrameRange, path: Path) -> None:
    """Writes the packets of ``frames`` (whole groups) as a piece. Raises CopyRefused, StorageError."""
    for seek in (True, False):  # in a transport stream a seek lands where it likes
        packets = list(_packets(media, frames, seek))
        if sorted(packet.place for packet in packets) == list(range(frames.start, frames.stop)):
            break
    else:
        raise CopyRefused(f"frames {frames.start} to {frames.stop - 1} could not be read as a whole")
    depth = max(count - (packet.place - frames.start) for count, packet in enumerate(packets))
    tick = 1 / media.video.rate
    with open_media(media.path) as source, replacing(path) as part, storage_errors(path):
        stream = source.streams[media.video.index]
        with libav_open(str(part), "w", format=PIECE_FORMAT) as piece:
            out = piece.add_stream_from_template(stream)
            out.time_base = tick
            out.codec_context.extradata = parameter_sets(stream.codec_context.extradata).annex_b()
            for count, found in enumerate(packets):
                packet = av.Packet(with_start_codes(found.units))
                packet.stream, packet.time_base, packet.duration = out, tick, 1
                packet.pts, packet.dts = found.place - frames.start + depth, count
                packet.is_keyframe = found.is_idr
                piece.mux(packet)


def check_copied(path: Path, media: Media, copied: Sequence[FrameRange]) -> None:
    """Decodes the whole new film once. Raises CopyRefused where a copied frame is not the source's, or one is damaged."""
    from dubkit.media.probe import probe

    with FrameReader(media) as source, FrameReader(probe(path)) as film:
        new, at = film.read(), 0
        for stretch in copied:
            for _ in range(at, stretch.start):
                next(new)
            for old in source.read(stretch):
                if not all(map(np.array_equal, old.planes, next(new).planes)):
                    raise CopyRefused(f"frame {old.index} was copied and comes out changed")
            at = stretch.stop
        for _ in new:
            pass
        if film.warnings:
            raise CopyRefused(f"the joined film does not decode cleanly: {film.warnings[0]}")
