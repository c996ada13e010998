"""Cuts the reel from the media and the dubbed reel into files again, exactly to the frame.

The frame shown at media time ``t`` is the last whose presentation time is not after ``t`` (with a quarter of a frame of
grace, since some containers round their clocks to milliseconds). One rule serves plain clips, other rates, variable rates
and constant retimes. The reel is lossless (FFV1 and 24-bit PCM in MP4, which counts its
frames), so it costs no quality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dubkit.errors import MediaError
from dubkit.files import replacing
from dubkit.media.packets import libav_open, sounds_of
from dubkit.nle.reel import MediaInfo, Piece, Reel
from dubkit.nle.sound import SAMPLE_RATE, read_sound, sound_frames
from dubkit.nle.timeline import MediaFacts
from dubkit.progress import Progress, silent
from dubkit.timing import exact_rate, sample_at

SoundOf = Callable[[Piece], np.ndarray]  # (C, N) float32 at SAMPLE_RATE, as long as the piece


def inspect(path: Path) -> MediaInfo:
    """What the reel must know about a film. Raises MediaError."""
    try:
        with libav_open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path} has no picture")
            stream = container.streams.video[0]
            rate = exact_rate(stream.guessed_rate or stream.average_rate)
            if stream.duration:
                duration = stream.duration * stream.time_base
            else:
                duration = Fraction(container.duration or 0, av.time_base)
            if stream.frames:  # the container's clock may be coarse; the count of frames is not
                counted = stream.frames / rate
                duration = counted if abs(counted - duration) < 1 / rate else duration
            codec = stream.codec_context
            full = codec.pix_fmt in _FULL_RANGE or codec.color_range == 2
            look = (codec.width, codec.height, str(codec.sample_aspect_ratio or 1), "pc" if full else "tv")
            sounds = sounds_of(container)
            channels = sounds[0].channels if sounds else 0
            mean = stream.average_rate or rate
            pixels = _FULL_RANGE.get(codec.pix_fmt, codec.pix_fmt)
            return MediaInfo(
                duration, rate, look, channels, pixels=pixels, variable=abs(mean / rate - 1) > Fraction(1, 200)
            )
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"cannot read {path}: {error}") from error


def picture(piece: Piece, rate: Fraction) -> Iterator[av.VideoFrame]:
    """The frames of a piece in order, ``piece.length`` of them, in the media's own pixel format."""
    with libav_open(str(piece.media)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        zero = _first_picture(stream)
        grace = Fraction(1, 4) / exact_rate(stream.guessed_rate or stream.average_rate)
        wanted = [piece.source_start + i * piece.speed / rate + grace for i in range(piece.length)]
        container.seek(math.floor((wanted[0] + zero) / stream.time_base), stream=stream, backward=True)
        shown, given = None, 0
        for frame in container.decode(stream):
            time = frame.pts * stream.time_base - zero
            while given < len(wanted) and shown is not None and wanted[given] < time:
                yield shown
                given += 1
            if given == len(wanted):
                return
            shown = frame
        if shown is None:
            raise MediaError(f"{piece.media} has no picture at {float(piece.source_start):.3f} s")
        for _ in range(given, len(wanted)):  # the last frame stays on screen
            yield shown


def write_reel(reel: Reel, path: Path, channels: int, sound: SoundOf, progress: Progress = silent) -> None:
    """Writes the reel's picture and sound. ``progress`` counts frames. Raises MediaError."""
    try:
        with replacing(path) as temporary, libav_open(str(temporary), "w") as out:
            video = audio = None
            done = 0
            pixels = richest({inspect(media).pixels for media in {piece.media for piece in reel.pieces}})
            for piece in reel.pieces:
                for i, frame in enumerate(picture(piece, reel.rate)):
                    frame = _in_format(frame, pixels)
                    if video is None:
                        video = _lossless(out, frame, reel.rate)
                        audio = (
                            out.add_stream("pcm_s24le", rate=SAMPLE_RATE, layout=layout(channels)) if channels else None
                        )
                    out.mux(video.encode(_stamped(frame, piece.reel_start + i, reel.rate)))
                    done += 1
                    progress(done, reel.length)
                if audio is not None:
                    first = sample_at(piece.reel_start / reel.rate, SAMPLE_RATE)
                    for block in sound_frames(sound(piece), first, layout(channels)):
                        out.mux(audio.encode(block))
            for stream in (video, audio):
                if stream is not None:
                    out.mux(stream.encode())
    except av.FFmpegError as error:
        raise MediaError(f"cannot cut the used frames out of the media: {error}") from error


def cut(film: Path, reel: Reel, names: Mapping[str, Path], progress: Progress = silent) -> dict[str, MediaFacts]:
    """Cuts a dubbed reel into one QuickTime file a piece: pictures copied, sound as 24-bit PCM.

    ``names``: piece name → file to write. The film must be intra-coded (ProRes, DNxHR, FFV1 ...) and have exactly the
    reel's frames. Raises MediaError.
    """
    facts: dict[str, MediaFacts] = {}
    with libav_open(str(film)) as container:
        stream = container.streams.video[0]
        rate = exact_rate(stream.average_rate or stream.guessed_rate)
        packets = [packet for packet in container.demux(stream) if packet.size]
        if len(packets) != reel.length or rate != reel.rate:
            raise MediaError(
                f"{film.name} has {len(packets)} frames at {rate}, the reel has {reel.length} at {reel.rate}; "
                "a dub must keep the number of frames"
            )
        if not all(packet.is_keyframe for packet in packets):
            raise MediaError(f"{film.name} is not intra-coded; choose the codec dnxhr or prores for editing")
        channels = container.streams.audio[0].channels if container.streams.audio else 0
        tick = stream.time_base
        for number, piece in enumerate(reel.pieces, start=1):
            with replacing(names[piece.name]) as temporary, libav_open(str(temporary), "w", format="mov") as out:
                video = out.add_stream_from_template(stream)
                audio = out.add_stream("pcm_s24le", rate=SAMPLE_RATE, layout=layout(channels)) if channels else None
                for i, packet in enumerate(packets[piece.reel.start : piece.reel.stop]):
                    packet.pts = packet.dts = round(i / rate / tick)
                    packet.duration = round((i + 1) / rate / tick) - packet.pts
                    packet.time_base, packet.stream = tick, video
                    out.mux(packet)
                if audio is not None:
                    start, seconds = piece.reel_start / rate, piece.length / rate
                    for block in sound_frames(read_sound(film, start, seconds, channels), 0, layout(channels)):
                        out.mux(audio.encode(block))
                    out.mux(audio.encode())
            width, height = stream.codec_context.width, stream.codec_context.height
            facts[piece.name] = MediaFacts(rate, piece.length, width, height, channels, SAMPLE_RATE)
            progress(number, len(reel.pieces))
    return facts


def layout(channels: int) -> str:
    """FFmpeg's name of the channel layout that dubkit writes."""
    names = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    if channels not in names:
        raise MediaError(
            f"sound with {channels} channels cannot be put on a timeline; mix it to mono, stereo, 5.1 or 7.1"
        )
    return names[channels]


def _first_picture(stream: av.VideoStream) -> Fraction:
    return (stream.start_time or 0) * stream.time_base


_FULL_RANGE = {"yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p"}  # old names of the same samples


def richest(formats: set[str]) -> str:
    """The pixel format that holds all of these without loss of depth or colour: most bits, then least subsampling."""

    def worth(name: str) -> tuple[int, int, str]:
        found = av.VideoFormat(name, 64, 64)
        parts = found.components
        return max(part.bits for part in parts), sum(part.width * part.height for part in parts), name

    return max(formats, key=worth)


def _in_format(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The same picture in the reel's format. FFV1 knows full range only as a flag, not as a format of its own."""
    if frame.format.name == name:
        return frame
    span = 2 if frame.format.name in _FULL_RANGE else frame.color_range or None
    return frame.reformat(format=name, src_color_range=span, dst_color_range=span)


def _lossless(out: av.container.OutputContainer, like: av.VideoFrame, rate: Fraction) -> av.VideoStream:
    stream = out.add_stream("ffv1", rate=rate, options={"level": "3", "slices": "4"})
    stream.width, stream.height, stream.pix_fmt = like.width, like.height, like.format.name
    stream.codec_context.time_base = 1 / rate
    stream.codec_context.colorspace, stream.codec_context.color_range = like.colorspace, like.color_range
    return stream


def _stamped(frame: av.VideoFrame, number: int, rate: Fraction) -> av.VideoFrame:
    """The frame with the reel's clock. A frame shown twice is the same object: its new time is copied when encoded."""
    frame.pts, frame.time_base, frame.pict_type = number, 1 / rate, 0
    return frame


def media_timecode(path: Path) -> str | None:
    """The start timecode a media file carries, "01:00:00:00" or with ';'; None where it has none. Raises MediaError."""
    try:
        with libav_open(str(path)) as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
            return next((found["timecode"] for found in tags if "timecode" in found), None)
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"cannot read {path}: {error}") from error
