"""Recorded dialogue as it comes from a studio: a stem or a finished track, looked at before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dubkit.errors import InputError
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.types import Segment, Turn
from dubkit.voice.activity import frame_levels, speech
from dubkit.voice.attribute import PAUSE, Piece, attribute
from dubkit.voice.tracks import RATE, Track, file_samples, file_track, watched

TAIL = 0.1  # seconds of sound after the film's end that are no problem
CLIPPED = 1e-4  # share of the loud samples that may sit at full scale
CLIP_RUN = 3  # samples in a row at the same full-scale value
MOVED = 0.5  # seconds: a start wrong by less is the actor's timing


@dataclass(slots=True)
class Problems:
    """What does not fit, and what the settings say to do with it: stop, report, or repair."""

    policy: str
    notes: list[str] = field(default_factory=list)

    def meet(self, what: str, kept: str, mended: str | None = None) -> bool:
        """Stops with ``what``, or notes it. True where it is to be mended (``mended`` says how)."""
        if self.policy == "stop":
            choices = f"voice.problems = report {kept}" + (f"; repair {mended}" if mended else "")
            raise InputError(f"{what}. Correct it, or: {choices}")
        repair = self.policy == "repair" and mended is not None
        self.notes.append(f"{what}: dubkit {mended if repair else kept}")
        return repair


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A dialogue file in its place. ``pieces`` are its stretches of speech and the turns that they belong to."""

    path: Path
    shift: int  # samples at 48 kHz by which it is moved
    levels: np.ndarray  # dBFS per 10 ms from project zero, after the shift
    pieces: tuple[Piece, ...]

    def track(self, samples: int) -> Track:
        return file_track(self.path, samples, mono=True, shift=self.shift)


def open_recording(
    path: Path,
    who: str,
    turns: Sequence[Turn],
    duration: float,
    problems: Problems,
    tick: Callable[[], None] = lambda: None,
    kept: Pieces = NOTHING_KEPT,
) -> Recording | None:
    """Looks at a file once. None where it is silent. ``turns``: those that may speak in it. ``kept``: what a killed run had
    seen.

    Raises MediaError (unreadable) or, as the settings say, InputError: silent, clipped, longer than the film, or at
    the wrong start.
    """
    samples = file_samples(path)

    def look() -> np.ndarray:
        """(2 + F,) float64: how many samples are loud and how many of them clipped, then the levels."""
        clips = _Clips()
        levels = frame_levels(clips.watch(watched(file_track(path, samples, mono=True), tick)))
        return np.concatenate([[clips.loud, clips.clipped], levels])

    seen = kept(f"levels of {who}", look)
    (loud, clipped), levels = seen[:2], seen[2:].astype(np.float32)
    regions = speech(levels, min_gap=PAUSE)
    if not regions:
        problems.meet(
            f"{who} ({path.name}) is silent",
            "leaves its lines without a dub",
            "lets a voice speak its translated lines",
        )
        return None
    if clipped > CLIPPED * loud:
        problems.meet(f"{who} ({path.name}) is clipped: {clipped / loud:.2%} of its loud samples sit at full scale", "uses it as it is")  # fmt: skip
    shift = 0.0
    lag, now, then = best_lag(regions, [turn.segment for turn in turns])
    surely = 0.75 if len(turns) > 2 else 0.6  # one or two lines may well be moved on purpose
    if abs(lag) >= MOVED and then >= surely and now < surely * then:
        found = (
            f"{who} ({path.name}) seems to start {abs(lag):.2f} s too {'late' if lag > 0 else 'early'}: "
            f"{now:.0%} of its speech meets its turns, moved it would be {then:.0%}"
        )
        if problems.meet(found, "uses it as it is", "moves it"):
            shift = -lag
            regions = [Segment(max(0.0, s.start + shift), s.end + shift) for s in regions if s.end + shift > 0]
            levels = _moved(levels, round(shift * 100))
    last = regions[-1].end
    if last > duration + TAIL:
        problems.meet(
            f"{who} ({path.name}) is longer than the film: it still speaks at {last:.1f} s, the film ends at {duration:.1f} s",
            "cuts it at the film's end",
        )
    regions = [Segment(s.start, min(s.end, duration)) for s in regions if s.start < duration]
    return Recording(path, round(shift * RATE), levels, tuple(attribute(regions, turns, levels)))


def best_lag(speech_found: Sequence[Segment], turns: Sequence[Segment]) -> tuple[float, float, float]:
    """(lag, share now, share then): by how many seconds the speech is late against the turns, and the share of it that
    meets a turn as it is and after moving it by ``-lag``. Cross-correlation of both activities at 50 ms."""
    from scipy.signal import correlate

    if not speech_found or not turns:
        return 0.0, 1.0, 1.0
    size = round(max(s.end for s in (*speech_found, *turns)) * 20) + 1
    dub, source = _activity(speech_found, size), _activity(turns, size)
    total = dub.sum() or 1.0
    shared = correlate(dub, source, mode="full", method="fft")
    lag = int(np.argmax(shared)) - (size - 1)
    return lag / 20, float(shared[size - 1] / total), float(shared.max() / total)


def _activity(segments: Sequence[Segment], size: int) -> np.ndarray:
    active = np.zeros(size)
    for segment in segments:
        active[round(segment.start * 20) : round(segment.end * 20)] = 1.0
    return active


def _moved(levels: np.ndarray, frames: int) -> np.ndarray:
    if frames >= 0:
        return np.concatenate([np.full(frames, -100.0, np.float32), levels])
    return levels[-frames:]


class _Clips:
    """Counts samples that sit at full scale in runs, while the blocks pass by."""

    def __init__(self) -> None:
        self.loud = self.clipped = 0

    def watch(self, track: Track):
        for block in track.walk():
            level = np.abs(block[0])
            self.loud += int(np.count_nonzero(level > 0.05))
            top = level >= 0.985
            if top.sum() >= CLIP_RUN:
                same = top[1:] & top[:-1] & (np.abs(np.diff(block[0])) < 1e-4)
                runs = np.convolve(same, np.ones(CLIP_RUN - 1), "valid") >= CLIP_RUN - 1
                self.clipped += int(np.count_nonzero(runs))
            yield block
