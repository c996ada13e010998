"""What is in a media file: streams, exact rate, colour, rotation, delays, timecode. Read with PyAV (no ffprobe needed)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from dubkit.digest import file_digest, value_digest
from dubkit.errors import InputError, MediaError
from dubkit.media import hdr, tags
from dubkit.media.layout import planar_layout
from dubkit.media.packets import Cadence, PacketIndex, cadence, open_media, scan, sounds_of, video_of
from dubkit.settings import MediaSettings
from dubkit.timing import Timecode, exact_rate
from dubkit.types import AudioStream, Media, SubtitleStream, VideoStream

_STILL = ("image2", "_pipe", "tty")  # formats whose "video" is a picture or a text file
_BOTTOM_FIRST = (3, 4)  # AV_FIELD_BB, AV_FIELD_TB: bottom displayed first, whichever was coded first
_LOOK_AT = 8  # decoded frames that colour, rotation and interlacing are taken from


def probe(path: Path, settings: MediaSettings | None = None) -> Media:
    """What ``path`` holds. A file with sound only is allowed (``video`` is None); callers decide.

    Raises MediaError for anything that is missing, unreadable, truncated, empty, or neither film nor sound.
    """
    path, settings, warnings = Path(path), settings or MediaSettings(), []
    with open_media(path) as container:
        if any(word in container.format.name for word in _STILL):
            raise MediaError(f"{path} is not a film or sound file: ffmpeg takes it for '{container.format.name}'")
        picture = video_of(container)
        if picture is None and not container.streams.audio:
            raise MediaError(f"{path} has neither picture nor sound; it cannot be dubbed")
        if picture is not None and picture.codec_context is None:
            raise MediaError(f"{path}: its picture is in a codec that PyAV cannot decode")
        index = scan(path) if picture is not None else None
        video = _video(path, picture, index, settings, warnings) if picture is not None else None
        if index is not None:
            _check_whole(path, container, picture, index, warnings)
        zero = video.start if video else None
        sounds = sounds_of(container)
        for stream in container.streams.audio:
            if stream not in sounds:
                warnings.append(f"sound stream {stream.index} is in a codec that cannot be decoded; it is left out")
        audio = tuple(_audio(path, stream, zero, warnings) for stream in sounds)
        subtitles = tuple(
            SubtitleStream(stream.index, stream.codec_context.name if stream.codec_context else "unknown",
                           tags.language(stream.metadata), tags.title(stream.metadata))
            for stream in container.streams.subtitles
        )  # fmt: skip
        seconds = _seconds(path, container, video, audio)
        return Media(
            path=path,
            digest=_digest(path, video, settings),
            format=container.format.name,
            duration=seconds,
            video=video,
            audio=audio,
            subtitles=subtitles,
            timecode=_timecode(container, video, warnings),
            warnings=tuple(warnings),
        )


def _digest(path: Path, video: VideoStream | None, settings: MediaSettings) -> str:
    """Names the frames: at another rate, frame n of a variable-rate film is another picture."""
    if video is not None and video.is_vfr and settings.vfr_rate:
        return value_digest([file_digest(path), str(video.rate)])
    return file_digest(path)


def _video(path: Path, stream, index: PacketIndex, settings: MediaSettings, warnings: list[str]) -> VideoStream:
    forced = exact_rate(settings.vfr_rate) if settings.vfr_rate else None
    found = cadence(index, [stream.guessed_rate, stream.average_rate, stream.base_rate], forced)
    _say_cadence(found, index, warnings)
    frames = _first_frames(path, stream.index)
    first, context = frames[0], stream.codec_context
    if (layout := planar_layout(first.format.name)).warning:
        warnings.append(layout.warning)
    matrix = tags.name(tags.MATRIX, first.colorspace)
    if matrix in tags.UNUSUAL_MATRIX:
        warnings.append(f"its colour matrix '{matrix}' is treated as an ordinary one; only patched mouths are affected")
    interlaced = any(frame.interlaced_frame for frame in frames)
    if interlaced:
        warnings.append("it is interlaced; faces are searched and patched in whole frames, and fields stay as they are")
    return VideoStream(
        index=stream.index,
        codec=context.name,
        width=first.width,
        height=first.height,
        rate=found.rate,
        time_base=stream.time_base,
        num_frames=found.num_frames,
        start=index.start,
        is_vfr=found.is_vfr,
        rotation=_rotation(first, warnings),
        sar=Fraction(stream.sample_aspect_ratio or context.sample_aspect_ratio or 1),
        pix_fmt=first.format.name,
        color_matrix=matrix,
        color_range=tags.name(tags.RANGE, first.color_range),
        color_primaries=tags.name(tags.PRIMARIES, context.color_primaries),
        color_transfer=tags.name(tags.TRANSFER, context.color_trc),
        interlaced=interlaced,
        top_field_first=not interlaced or _top_field_first(context, warnings),
        mastering_display=hdr.mastering_display(frames),
        content_light=hdr.content_light(frames),
        profile=stream.profile,
        bit_rate=stream.bit_rate or context.bit_rate or None,
    )


def _top_field_first(context: av.VideoCodecContext, warnings: list[str]) -> bool:
    if not hasattr(context, "field_order"):
        warnings.append(
            "which of its fields comes first is not told by PyAV before 18 (Python 3.10); the top one is taken"
        )
    return getattr(context, "field_order", 0) not in _BOTTOM_FIRST


def _say_cadence(found: Cadence, index: PacketIndex, warnings: list[str]) -> None:
    rate = f"{float(found.rate):.3f}".rstrip("0").rstrip(".")
    if found.is_vfr:
        warnings.append(
            f"its frame rate varies ({len(index.pts)} frames); it is presented at a constant {rate} frames a second"
        )
    if found.missing:
        warnings.append(f"{found.missing} frames are missing in it; the frame before is shown in their place")
    if index.corrupt:
        warnings.append(f"{index.corrupt} packets of the picture are marked as damaged")
    if index.skipped:
        warnings.append(f"{index.skipped} frames before the first key frame cannot be decoded and are left out")
    if not index.timed:
        warnings.append(f"it has no timestamps; {rate} frames a second are assumed")


def _first_frames(path: Path, stream_index: int) -> list[av.VideoFrame]:
    """The first frames that decode. Raises MediaError where none does."""
    frames: list[av.VideoFrame] = []
    with open_media(path) as container:
        for packet in container.demux(container.streams[stream_index]):
            try:
                frames += packet.decode()
            except av.error.FFmpegError:
                continue
            if len(frames) >= _LOOK_AT:
                break
    if not frames:
        raise MediaError(f"{path}: not one picture in it can be decoded; it is damaged, or encrypted")
    return frames


def _rotation(frame: av.VideoFrame, warnings: list[str]) -> int:
    """Degrees clockwise for display. PyAV tells the counter-clockwise angle of the display matrix."""
    angle = -frame.rotation % 360
    if angle % 90:
        warnings.append(
            f"it asks to be turned by {angle} degrees; only quarter turns are followed, so it is not turned"
        )
        return 0
    return int(angle)


def _check_whole(path: Path, container, stream, index: PacketIndex, warnings: list[str]) -> None:
    """Compares what the file promises with the packets that are there. Raises MediaError for a truncated file."""
    there = float((index.pts[-1] + index.last_duration) * index.time_base)
    if stream.frames and stream.duration is not None and index.counted < stream.frames:
        promised = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    elif container.duration and not stream.frames and container.format.name.startswith("matroska"):
        promised, there = container.duration / av.time_base, max(index.end, there)
    else:
        return
    if promised - there > 0.5:
        raise MediaError(
            f"{path} is truncated: it promises {promised:.1f} s and ends after {there:.1f} s. Copy it again; to dub only "
            f"what is there, repair it first with: ffmpeg -i FILE -c copy REPAIRED{path.suffix}"
        )
    if index.counted < stream.frames:
        warnings.append(f"{stream.frames - index.counted} frames that it promises are missing at its end")


def _audio(path: Path, stream, zero: float | None, warnings: list[str]) -> AudioStream:
    context = stream.codec_context
    start = first_sound(path, stream.index)
    if start is None:
        warnings.append(f"sound stream {stream.index} ({context.name}) has nothing that can be decoded")
    return AudioStream(
        index=stream.index,
        codec=context.name,
        sample_rate=context.sample_rate,
        channels=context.channels,
        layout=context.layout.name,
        start=0.0 if start is None or zero is None else start - zero,
        duration=float(stream.duration * stream.time_base) if stream.duration else None,
        language=tags.language(stream.metadata),
        title=tags.title(stream.metadata),
    )


def first_sound(path: Path, stream_index: int) -> float | None:
    """Seconds on the container's clock of the first sample that a decoder gives (encoder priming removed), or None."""
    with open_media(path) as container:
        for packet in container.demux(container.streams[stream_index]):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if frame.samples:
                    return float(frame.time or 0.0)
    return None


def _seconds(path: Path, container, video: VideoStream | None, audio: tuple[AudioStream, ...]) -> float:
    if video:
        return float(video.num_frames / video.rate)
    seconds = max((stream.duration or 0.0 for stream in audio), default=0.0) or (container.duration or 0) / av.time_base
    if seconds <= 0:
        raise MediaError(f"{path} has sound of zero length")
    return seconds


def _timecode(container, video: VideoStream | None, warnings: list[str]) -> str | None:
    """Start timecode: of the picture's stream, a tmcd track, or the whole file, in this order."""
    if video is None:
        return None
    others = [stream for stream in container.streams if stream.type == "data"]
    for holder in (container.streams[video.index], *others, container):
        text = tags.get(holder.metadata, "timecode")
        if not text:
            continue
        try:
            return str(Timecode.parse(text, video.rate))
        except InputError as error:
            warnings.append(f"its start timecode is ignored: {error}")
    return None
