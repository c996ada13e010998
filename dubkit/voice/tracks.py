"""Sound as long as the film, never in memory at once: blocks of 48 kHz float32 (C, n).

A ``Track`` can be walked any number of times; each walk opens its files anew and yields exactly ``samples`` samples.
Files are FLAC with 24 bits: a 16- or 24-bit sound that passes through unchanged comes out bit-identical.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit.errors import MediaError, StorageError
from dubkit.files import replacing
from dubkit.media.pcm import to_int24

RATE = 48_000  # Hz, of everything inside this room
BLOCK = 10 * RATE  # samples

# Names of the channels by their number, in FLAC's (and WAV's) order.
LAYOUTS: Mapping[int, tuple[str, ...]] = {
    1: ("C",),
    2: ("L", "R"),
    3: ("L", "R", "C"),
    4: ("L", "R", "BL", "BR"),
    5: ("L", "R", "C", "BL", "BR"),
    6: ("L", "R", "C", "LFE", "BL", "BR"),
    7: ("L", "R", "C", "LFE", "BC", "SL", "SR"),
    8: ("L", "R", "C", "LFE", "BL", "BR", "SL", "SR"),
}


@dataclass(frozen=True, slots=True)
class Track:
    """``samples`` samples of ``channels`` channels; ``walk`` yields blocks (C, n) of at most BLOCK samples."""

    channels: int
    samples: int
    walk: Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True, slots=True)
class Span:
    """Samples ``[start, stop)`` and the factor that they get."""

    start: int
    stop: int
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Clip:
    """A mono 48 kHz file placed at sample ``start``."""

    start: int
    path: Path
    length: int  # samples
    factor: float = 1.0


def file_samples(path: Path) -> int:
    """Length of a sound file in samples at 48 kHz."""
    with _open(path) as file:
        if file is not None:
            return round(file.frames * RATE / file.samplerate)
    return sum(block.shape[1] for block in _decoded(path, mono=True))


def file_channels(path: Path) -> int:
    with _open(path) as file:
        return file.channels if file is not None else len(next(_decoded(path, mono=False)))


def file_track(path: Path, samples: int, *, mono: bool = False, shift: int = 0) -> Track:
    """A file as a track: resampled to 48 kHz, moved by ``shift`` samples, padded with zeros or cut to ``samples``."""

    def walk() -> Iterator[np.ndarray]:
        return exactly(_decoded(path, mono), samples, channels, shift)

    channels = 1 if mono else file_channels(path)
    if channels not in LAYOUTS:
        raise MediaError(f"{path.name} has {channels} channels; dubkit mixes sound of 1 to 8")
    return Track(channels, samples, walk)


def clips_track(clips: Sequence[Clip], samples: int) -> Track:
    """Placed clips, summed where they meet; zeros elsewhere. Only the clips that sound in a block are in memory."""
    ordered = sorted(clips, key=lambda clip: clip.start)

    def walk() -> Iterator[np.ndarray]:
        sounding: list[tuple[Clip, np.ndarray]] = []
        upcoming = 0
        for first in range(0, samples, BLOCK):
            block = np.zeros((1, min(BLOCK, samples - first)), np.float32)
            last = first + block.shape[1]
            while upcoming < len(ordered) and ordered[upcoming].start < last:
                sounding.append((ordered[upcoming], load_mono(ordered[upcoming].path)))
                upcoming += 1
            for clip, audio in sounding:
                a, b = max(first, clip.start), min(last, clip.start + len(audio))
                if b > a:
                    block[0, a - first : b - first] += audio[a - clip.start : b - clip.start] * np.float32(clip.factor)
            sounding = [(clip, audio) for clip, audio in sounding if clip.start + len(audio) > last]
            yield block

    return Track(1, samples, walk)


def masked(track: Track, spans: Sequence[Span], fade: float = 0.006) -> Track:
    """``track`` within the spans, times their factor; silent elsewhere. Edges are linear ramps of ``fade`` seconds,
    centred on the edge, so that tracks masked by spans that share their edges add up to the whole."""
    # A span that reaches an end of the film has no edge there.
    ends = {0: -RATE, track.samples: track.samples + RATE}
    curve = envelope([Span(ends.get(s.start, s.start), ends.get(s.stop, s.stop), s.factor) for s in spans], fade, fade)

    def walk() -> Iterator[np.ndarray]:
        first = 0
        for block in track.walk():
            yield block * curve(first, first + block.shape[1])
            first += block.shape[1]

    return Track(track.channels, track.samples, walk)


def summed(tracks: Sequence[Track], samples: int) -> Track:
    """Mono tracks added up; silence where there are none."""
    if not tracks:
        return clips_track((), samples)
    return Track(
        1, samples, lambda: (np.sum(blocks, axis=0) for blocks in zip(*(t.walk() for t in tracks), strict=True))
    )


def scaled(track: Track, factor: float) -> Track:
    """``track`` times ``factor``; the very same samples where it is 1."""
    if factor == 1.0:
        return track
    return Track(track.channels, track.samples, lambda: (block * np.float32(factor) for block in track.walk()))


def watched(track: Track, tick: Callable[[], None]) -> Track:
    """``track``; ``tick`` is called with every block, so that a user can stop a long walk (see dubkit.progress)."""

    def walk() -> Iterator[np.ndarray]:
        for block in track.walk():
            tick()
            yield block

    return Track(track.channels, track.samples, walk)


def envelope(
    spans: Sequence[Span], attack: float, release: float, outside: float = 0.0
) -> Callable[[int, int], np.ndarray]:
    """A curve float32 over samples: each span's factor inside it, ``outside`` elsewhere.

    It rises over ``attack`` seconds centred on a span's start and falls over ``release`` centred on its end. Spans
    must not overlap; where the pause between two is shorter than the ramps, the ramps meet half way.
    """
    times: list[float] = []
    values: list[float] = []
    ordered = sorted((span for span in spans if span.stop > span.start), key=lambda span: span.start)
    for i, span in enumerate(ordered):
        before = ordered[i - 1] if i else None
        after = ordered[i + 1] if i + 1 < len(ordered) else None
        half = (span.stop - span.start) / 2
        rise = min(
            attack * RATE / 2, half, *([(span.start - before.stop) / 2] if before and before.stop < span.start else [])
        )
        fall = min(
            release * RATE / 2, half, *([(after.start - span.stop) / 2] if after and after.start > span.stop else [])
        )
        if not before or before.stop < span.start:
            times.append(span.start - rise), values.append(outside)
            times.append(span.start + rise), values.append(span.factor)
        else:  # it touches the one before: one ramp between both factors
            times.append(span.start + rise), values.append(span.factor)
        times.append(span.stop - fall), values.append(span.factor)
        if not after or after.start > span.stop:
            times.append(span.stop + fall), values.append(outside)
    x, y = np.array(times), np.array(values)

    def curve(first: int, last: int) -> np.ndarray:
        if not len(x):
            return np.full(last - first, outside, np.float32)
        a, b = max(0, bisect_right(times, first) - 2), bisect_right(times, last) + 2
        return np.interp(np.arange(first, last), x[a:b], y[a:b]).astype(np.float32)

    return curve


def load_mono(path: Path) -> np.ndarray:
    """A short file as float32 (N,) at 48 kHz."""
    return np.concatenate([block[0] for block in _decoded(path, mono=True)] or [np.zeros(0, np.float32)])


def write_track(path: Path, track: Track) -> Path:
    """Writes FLAC, 24 bits, atomically; values beyond full scale are clipped there. Returns ``path``.

    Raises StorageError where the folder is full or cannot be written.
    """
    import soundfile

    with replacing(path) as temporary:
        try:
            with soundfile.SoundFile(temporary, "w", RATE, track.channels, "PCM_24", format="FLAC") as file:
                for block in track.walk():
                    file.write(to_int24(block).T)
        except soundfile.LibsndfileError as error:  # libsndfile does not say why
            raise StorageError(f"cannot write {path}: {error}; is the disk full, or the folder read-only?") from error
    return path


def _open(path: Path):
    """The file as libsndfile sees it (WAV, BWF, RF64, FLAC, AIFF, OGG, MP3), or a context of None: ffmpeg's libraries
    must read it (film containers, AC-3, AAC ...)."""
    import soundfile

    if not path.is_file():
        raise MediaError(f"there is no sound file {path}")
    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, RuntimeError):
        return nullcontext()


def _decoded(path: Path, mono: bool) -> Iterator[np.ndarray]:
    """Blocks (C, n) at 48 kHz as the file has them. Resampling: libsoxr, very high quality, linear phase."""
    import soxr

    with _open(path) as file:
        if file is None:
            from dubkit.media.audio import blocks

            done = 0
            for block in blocks(path, sample_rate=RATE):
                _check_numbers(block, path, done / RATE)
                done += block.shape[1]
                yield to_mono(block) if mono else block
            return
        channels, rate = (1 if mono else file.channels), file.samplerate
        resampler = None if rate == RATE else soxr.ResampleStream(rate, RATE, channels, "float32", "VHQ")
        while True:
            block = file.read(BLOCK, dtype="float32", always_2d=True)
            last = len(block) < BLOCK
            _check_numbers(block, path, (file.tell() - len(block)) / rate)
            if mono:
                block = to_mono(block.T).T
            if resampler is not None:
                block = resampler.resample_chunk(np.ascontiguousarray(block), last=last)
            if len(block):
                yield np.ascontiguousarray(block.reshape(-1, channels).T)
            if last:
                return


def _check_numbers(block: np.ndarray, path: Path, start: float) -> None:
    if not np.isfinite(block.sum(dtype=np.float64)):
        raise MediaError(
            f"{path.name} has samples that are not numbers (NaN or infinite) after {start:.1f} s; export it again"
        )


def to_mono(block: np.ndarray) -> np.ndarray:
    """Dialogue (C, n) as (1, n): the mean of a pair (two equal channels stay what they are); with more channels the
    centre at full level, left and right at -3 dB, surround at -6 dB, no LFE (ITU-R BS.775-3)."""
    if len(block) <= 2:
        return block.mean(axis=0, keepdims=True, dtype=np.float32) if len(block) == 2 else block
    factors = {"C": 1.0, "L": 0.7071, "R": 0.7071, "LFE": 0.0}
    weights = np.array([factors.get(name, 0.5) for name in LAYOUTS[len(block)]], np.float32)
    return (weights @ block)[None]


def exactly(blocks: Iterator[np.ndarray], samples: int, channels: int, shift: int) -> Iterator[np.ndarray]:
    """The stream moved by ``shift``, cut or padded to ``samples``, in blocks of BLOCK."""
    waiting = [np.zeros((channels, shift), np.float32)] if shift > 0 else []
    held, skip, done, ended = max(0, shift), max(0, -shift), 0, False
    while done < samples:
        size = min(BLOCK, samples - done)
        while held < size and not ended:
            block = next(blocks, None)
            if block is None:
                ended = True
                break
            cut = min(skip, block.shape[1])
            skip -= cut
            waiting.append(block[:, cut:])
            held += block.shape[1] - cut
        if held < size:
            waiting.append(np.zeros((channels, size - held), np.float32))
            held = size
        whole = np.concatenate(waiting, axis=1)
        yield whole[:, :size]
        waiting, held, done = [whole[:, size:]], held - size, done + size
