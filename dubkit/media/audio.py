"""Sound in and out: float32 ``(C, N)``, any container, resampled with soxr, in bounded memory.

Time 0 of a film's sound is project zero (its first frame); of a file without picture, its first sample. Samples are
placed by their timestamps, so a gap in a stream is silence of the right length and not a shift of all that follows.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import soxr

from dubkit.errors import InputError, MediaError, StorageError
from dubkit.files import replacing
from dubkit.media.packets import open_media, scan, sounds_of, video_of
from dubkit.media.pcm import to_int24
from dubkit.timing import sample_at
from dubkit.types import Media

_BLOCK = 1 << 16  # samples of a yielded block, at most
_SLACK = 0.03  # seconds; timestamps that wander less than this are rounding, not gaps
_TAIL = 0.25  # seconds read beyond a part's end, for the resampler's filter
_PREROLL = 0.5  # seconds decoded before a seek's target, so that lossy decoders have settled
_UNINDEXED = ("mp3", "aac", "ac3", "eac3", "dts", "mpeg")  # seeking is a guess there
MOST_CHANNELS = 8  # what FLAC holds
_WAV_LIMIT = 4_000_000_000  # bytes; beyond, the header is RF64 (EBU Tech 3306)
_NEARLY_FULL = 1 << 20  # bytes
_MISCOUNTED = 8  # channels: of a planar frame with so many PyAV (to 18.1) counts a ninth plane and reads wild memory
_SURROUND = {"FL": 0.7071, "FR": 0.7071, "FC": 1.0, "BC": 0.5, "LFE": 0.0}  # ITU-R BS.775, to mono; others 0.5


def read_audio(path: Path, *, sample_rate: int, **part: Any) -> np.ndarray:
    """What ``blocks`` yields for the same arguments, in one: float32 ``(C, N)`` at ``sample_rate``."""
    return np.concatenate(list(blocks(path, sample_rate=sample_rate, **part)), axis=1)


def blocks(
    path: Path,
    *,
    sample_rate: int,
    channels: int | None = None,
    stream: int | None = None,
    start: float = 0.0,
    duration: float | None = None,
    zero: float | None = None,
) -> Iterator[np.ndarray]:
    """Yields the sound of ``path`` as float32 ``(C, n)`` at ``sample_rate`` Hz, at least one block (maybe empty).

    ``channels``: 1 mixes down (ITU-R BS.775, scaled so that it cannot clip), n copies a mono source to n; none: as they are. ``stream``: index in
    the container; none: the first sound. ``start``, ``duration``: seconds; beyond the sound there is silence when
    ``duration`` is given. ``zero``: seconds on the container's clock that count as 0. Raises MediaError.
    """
    path = Path(path)
    if start < 0:
        raise InputError(f"sound starts at 0 s or later, got {start}")
    with open_media(path) as container:
        source = _stream(path, container, stream)
        if zero is None:
            zero = _zero(path, container)
        rate = source.codec_context.sample_rate
        # A part is a slice of the whole: resampling begins on a full second (both grids meet there), a while before.
        lead = 0 if rate == sample_rate else max(0, int(start) - 1)
        drop = sample_at(start, sample_rate) - lead * sample_rate
        total = None if duration is None else sample_at(duration, sample_rate)
        if rate == sample_rate:
            first, stop = drop, None if total is None else drop + total
            drop = 0
        else:
            first, stop = lead * rate, None if duration is None else sample_at(start + duration + _TAIL, rate)
        native = _joined(_placed(path, container, source, zero, first, stop))
        mixed = (_mix(block, source, channels, path) for block in native)
        yield from _resampled(mixed, rate, sample_rate, drop, total)


def extract(
    media: Media, output: Path, *, sample_rate: int, channels: int | None = None, stream: int | None = None
) -> None:
    """Writes the film's sound as FLAC (24 bit) or WAV, its first sample at project zero. Any length, little memory.

    A stream that starts late begins with silence, one that starts early is trimmed.
    """
    if not media.audio:
        raise MediaError(f"{media.path} has no sound")
    zero = media.video.start if media.video else None
    stream = media.audio[0].index if stream is None else stream
    wide = next((sound.channels for sound in media.audio if sound.index == stream), 0) if channels is None else channels
    if wide > MOST_CHANNELS and Path(output).suffix.lower() == ".flac":
        others = ", ".join(
            f"{sound.index} ({sound.layout})" for sound in media.audio if sound.channels <= MOST_CHANNELS
        )
        raise MediaError(
            f"sound stream {stream} of {media.path.name} has {wide} channels; dubkit works with 1 to {MOST_CHANNELS}. "
            + (f"Choose another with media.audio_stream: {others}" if others else "Mix it down first, to 5.1 or stereo")
        )
    pieces = blocks(media.path, sample_rate=sample_rate, channels=channels, stream=stream, zero=zero)
    seconds = media.duration + 1
    _write(output, pieces, sample_rate, seconds)


def write_audio(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    """Writes float32 ``(C, N)``: ``.flac`` (24 bit; values beyond ±1 become full scale) or ``.wav`` (float). Atomic.

    Raises InputError for values that are not numbers, another shape, or another suffix.
    """
    audio = np.asarray(audio)
    if audio.ndim != 2:
        raise InputError(f"sound must have the shape (channels, samples), got {audio.shape}")
    _write(path, iter([audio]), sample_rate, audio.shape[1] / sample_rate)


def _write(path: Path, pieces: Iterator[np.ndarray], sample_rate: int, seconds: float) -> None:
    path = Path(path)
    if path.suffix.lower() not in (".flac", ".wav"):
        raise InputError(f"sound is written as .flac or .wav, not as '{path.name}'")
    first = next(pieces)
    if path.suffix.lower() == ".flac":
        if first.shape[0] > MOST_CHANNELS:
            raise InputError(f"FLAC holds up to 8 channels, got {first.shape[0]}; write a .wav")
        style = {"format": "FLAC", "subtype": "PCM_24"}
    else:
        big = seconds * sample_rate * first.shape[0] * 4 > _WAV_LIMIT
        style = {"format": "RF64" if big else "WAV", "subtype": "FLOAT"}
    with replacing(path) as part:
        try:
            with soundfile.SoundFile(part, "w", sample_rate, first.shape[0], **style) as file:
                for block in _finite(chain([first], pieces), sample_rate, path):
                    exact = to_int24(block) if style["format"] == "FLAC" else block.astype(np.float32, copy=False)
                    file.write(np.ascontiguousarray(exact.T))
        except soundfile.LibsndfileError as error:  # libsndfile does not say why
            full = shutil.disk_usage(path.parent).free < _NEARLY_FULL
            raise StorageError(
                f"cannot write {path}: {'the disk is full; free some space' if full else error}"
            ) from error


def _finite(pieces: Iterator[np.ndarray], sample_rate: int, path: Path) -> Iterator[np.ndarray]:
    position = 0
    for block in pieces:
        bad = ~np.isfinite(block)
        if bad.any():
            where = (position + int(np.argmax(bad.any(0)))) / sample_rate
            raise InputError(
                f"{path.name}: the sound has values that are not numbers (NaN or infinite) at {where:.3f} s"
            )
        position += block.shape[1]
        yield block


def _stream(path: Path, container, index: int | None):
    streams = sounds_of(container)
    if not streams:
        raise MediaError(f"{path} has no sound")
    if index is None:
        return streams[0]
    for stream in streams:
        if stream.index == index:
            return stream
    raise MediaError(f"{path} has no sound stream {index}; it has {', '.join(str(s.index) for s in streams)}")


def _zero(path: Path, container) -> float | None:
    """Project zero of a film; None for a file with sound only (its first sample is 0)."""
    return scan(path).start if video_of(container) is not None else None


def _placed(path: Path, container, source, zero: float | None, first: int, stop: int | None) -> Iterator[np.ndarray]:
    """Float32 blocks at the native rate of samples ``first`` to ``stop`` after ``zero``, gaps filled."""
    rate, position = source.codec_context.sample_rate, first
    count = source.codec_context.channels
    # Where a seek would not be exact to the sample, everything before is decoded and dropped.
    coarse = source.time_base > Fraction(1, 40_000) and source.time_base * rate > 1
    from_start = (
        first == 0 or coarse or container.format.name in _UNINDEXED or source.codec_context.name.startswith("mp3")
    )
    if not from_start:
        seconds = first / rate + (zero if zero is not None else float((source.start_time or 0) * source.time_base))
        with contextlib.suppress(av.error.FFmpegError):
            container.seek(int((seconds - _PREROLL) / source.time_base), stream=source)
    # Interleaved, because of _MISCOUNTED.
    convert = av.AudioResampler(format="flt")
    following = None  # where the next decoded sample belongs if nothing is missing
    for seconds, samples in _decoded(container, source, convert):
        if zero is None:
            zero = seconds if from_start else float((source.start_time or 0) * source.time_base)
        at = following if seconds is None else round((seconds - zero) * rate)
        if following is not None and abs(at - following) < _SLACK * rate:
            at = following
        at = at or 0
        following = at + samples.shape[1]
        if at > position:
            gap = at - position if stop is None else min(at, stop) - position
            yield from _silence(count, gap)
            position += gap
        samples = samples[:, max(0, position - at) :]
        if stop is not None:
            samples = samples[:, : stop - position]
        if samples.shape[1]:
            position += samples.shape[1]
            yield samples
        if stop is not None and position >= stop:
            return
    if position == first and stop is None and first == 0:
        raise MediaError(f"{path}: nothing of its sound stream {source.index} can be decoded")
    if stop is not None:
        yield from _silence(count, stop - position)


def _decoded(container, source, convert) -> Iterator[tuple[float | None, np.ndarray]]:
    """Pairs (seconds on the container's clock, float32 (C, n)); damaged packets are left out (a gap)."""
    layout = source.codec_context.layout.name
    for packet in container.demux(source):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            if frame.layout.name != layout or frame.sample_rate != source.codec_context.sample_rate:
                raise MediaError(
                    f"its sound changes from {layout} {source.codec_context.sample_rate} Hz to {frame.layout.name} "
                    f"{frame.sample_rate} Hz half-way; convert it to one format first"
                )
            seconds = frame.time
            if frame.format.name == "fltp" and frame.layout.nb_channels < _MISCOUNTED:
                yield seconds, frame.to_ndarray()
                continue
            for part in convert.resample(frame):
                samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)
                yield seconds, np.ascontiguousarray(samples.T, np.float32)


def _joined(pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same samples in blocks of about _BLOCK: a codec's frames are so short that each would cost more than its sound."""
    held: list[np.ndarray] = []
    samples = 0
    for piece in pieces:
        held.append(piece)
        samples += piece.shape[1]
        if samples >= _BLOCK:
            yield np.concatenate(held, axis=1)
            held, samples = [], 0
    if held:
        yield np.concatenate(held, axis=1)


def _silence(channels: int, samples: int) -> Iterator[np.ndarray]:
    while samples > 0:
        yield np.zeros((channels, min(samples, _BLOCK)), np.float32)
        samples -= _BLOCK


def _mix(block: np.ndarray, source, channels: int | None, path: Path) -> np.ndarray:
    have = block.shape[0]
    if channels is None or channels == have:
        return block
    if have == 1:
        return np.repeat(block, channels, axis=0)
    if channels == 1:
        if have == 2:
            return block.mean(0, keepdims=True)
        weights = np.array([_SURROUND.get(c.name, 0.5) for c in source.codec_context.layout.channels], np.float32)
        return (weights / weights.sum()) @ block[None]
    raise MediaError(f"{path} has {have} channels; {channels} can be made of 1 or {channels} channels only")


def _resampled(
    native: Iterator[np.ndarray], rate: int, wanted: int, drop: int, total: int | None
) -> Iterator[np.ndarray]:
    """Blocks at ``wanted`` Hz without the first ``drop`` samples; exactly ``total`` samples where it is given."""
    done, channels = -drop, 1
    for block in _converted(native, rate, wanted):
        channels = block.shape[0]
        start, done = done, done + block.shape[1]
        block = block[:, max(0, -start) : None if total is None else max(0, total - start)]
        if block.shape[1]:
            yield block
    done = max(0, done)
    if total is not None and done < total:
        yield from _silence(channels, total - done)
    yield np.zeros((channels, 0), np.float32)


def _converted(native: Iterator[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    if rate == wanted:
        yield from native
        return
    stream, channels = None, 1
    for block in native:
        channels = block.shape[0]
        stream = stream or soxr.ResampleStream(rate, wanted, channels, "float32", quality="VHQ")
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).reshape(-1, channels).T
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels).T
