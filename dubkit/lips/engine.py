"""Runs lip jobs: one pass through the frames they need, batches across jobs, one result as soon as a job is complete.

Memory holds the jobs under way (at most ``jobs.MAX_FRAMES`` frames of crops each) and one film frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from dubkit.errors import DubkitError, InputError
from dubkit.lips import gate, masks
from dubkit.lips.agreement import JUDGE, agreement
from dubkit.lips.base import Generator, generator
from dubkit.lips.blend import seen
from dubkit.lips.checkpoint import weights_digest as _weights_digest
from dubkit.lips.crops import transforms
from dubkit.lips.finish import finish
from dubkit.lips.pixels import OPENCV, Pixels, pixels_on, record
from dubkit.lips.reference import opening_of_voice, references
from dubkit.lips.result import LipResult
from dubkit.lips.windows import Voice, voice_windows
from dubkit.media.ahead import ahead
from dubkit.memory import keeping_freed
from dubkit.progress import Progress, silent
from dubkit.settings import LipsSettings
from dubkit.types import FaceTrack, FrameRange, LipJob

_AHEAD = 4
"""Frames that are decoded while others are painted."""

if TYPE_CHECKING:
    from dubkit.media.frame import Frame
    from dubkit.media.reader import FrameReader


def weights_digest(settings: LipsSettings) -> str:
    """What the pipeline puts into ``plan_jobs(constants=…)`` and into its records. Raises WeightsError."""
    return _weights_digest(settings.weights)


def run_jobs(
    jobs: Sequence[LipJob],
    tracks: Mapping[str, FaceTrack],
    reader: FrameReader,
    speech: Voice,
    rate: Fraction,
    settings: LipsSettings,
    write: Callable[[LipResult], None],
    progress: Progress = silent,
    paint: Generator | None = None,
) -> None:
    """Makes new lips for all jobs and hands each result to ``write`` when it is complete, in no fixed order.

    ``speech(speaker, segment)`` is that speaker's clean dialogue, 16 kHz mono float32, zeros outside the film. ``progress``
    counts frames. Raises InputError for a job that leaves its track (so would cross a cut) or a voice that is not numbers.
    """
    for job in jobs:
        _check(job, tracks)
    if not jobs:
        return
    studio = _Studio(paint or generator(settings))
    waiting = sorted(jobs, key=lambda job: (job.frames.start, job.id))
    total, done = sum(len(job.frames) for job in jobs), 0
    active: list[_Work] = []
    with ahead(_frames(reader, jobs), _AHEAD) as frames:
        for frame in frames:
            while waiting and waiting[0].frames.start <= frame.index:
                job = waiting.pop(0)
                active.append(_Work.begin(job, tracks[job.track_id], speech, rate, settings, studio.paint.size))
            for work in active:
                if frame.index in work.job.frames:
                    work.look(frame, studio.pixels)
                    done += 1
                    if work.looked.all():
                        studio.add(work)
            active = _write_complete(active, studio, write)
            progress(done, total)
    studio.flush()
    for work in _write_complete(active, studio, write):
        missing = int((~work.looked).sum())
        raise InputError(f"the film ended {missing} frames before the end of lip job {work.job.id}; prepare it again")


def _check(job: LipJob, tracks: Mapping[str, FaceTrack]) -> None:
    track = tracks.get(job.track_id)
    if track is None:
        raise InputError(
            f"lip job {job.id} wants track '{job.track_id}', which does not exist; match voices and faces again"
        )
    if not len(job.frames) or (job.frames & track.range) != job.frames:
        raise InputError(
            f"lip job {job.id} wants frames {job.frames.start} to {job.frames.stop}, but its track '{track.id}' has "
            f"{track.range.start} to {track.range.stop}: a job must not cross a cut; plan the jobs again"
        )


def _frames(reader: FrameReader, jobs: Sequence[LipJob]) -> Iterator[Frame]:
    """Every frame that some job needs, once, in order."""
    merged: list[FrameRange] = []
    for frames in sorted(job.frames for job in jobs):
        if merged and frames.start <= merged[-1].stop:
            merged[-1] = FrameRange(merged[-1].start, max(merged[-1].stop, frames.stop))
        else:
            merged.append(frames)
    for frames in merged:
        yield from reader.read(frames)


@dataclass(slots=True, eq=False)
class _Work:
    """One job under way. ``N`` is its number of frames."""

    job: LipJob
    rate: Fraction
    settings: LipsSettings
    transforms: np.ndarray  # (N, 2, 3)
    shapes: np.ndarray  # (N, 6)
    gates: list[gate.Gate]
    windows: np.ndarray  # (N, 1, 80, 16)
    seen: np.ndarray  # (N, S, S, 3) uint8, crops of the film
    painted: np.ndarray  # (N, S, S, 3) uint8
    shown: np.ndarray  # (N, S, S, 3) uint8, references; made when the whole job has been seen
    covered: np.ndarray  # (N,) bool: something is before the mouth
    looked: np.ndarray  # (N,) bool
    wanted: np.ndarray  # (N,) bool: not passed through for a reason known beforehand
    left: int  # frames still to paint
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: LipJob, track: FaceTrack, speech: Voice, rate: Fraction, settings, size: int) -> _Work:
        own = slice(job.frames.start - track.range.start, job.frames.stop - track.range.start)
        whole = transforms(track, size)
        gates = [gate.Gate(g.reason, g.closed[own]) for g in gate.track_gates(track, settings)]
        wanted = gate.alpha(len(job.frames), job.fade, gates, settings.crossfade) > 0
        blank = np.zeros((len(job.frames), size, size, 3), np.uint8)
        return cls(job, rate, settings, whole[own], masks.parameters(track, whole, size, settings.feather)[own], gates,
                   voice_windows(speech, job.speaker, job.frames, rate), blank, blank.copy(), blank, np.zeros(len(job.frames), bool),
                   np.zeros(len(job.frames), bool), wanted, int(wanted.sum()))  # fmt: skip

    @property
    def complete(self) -> bool:
        return self.left == 0 and bool(self.looked.all())

    def look(self, frame: Frame, pixels: Pixels) -> None:
        """Takes the crop of this frame."""
        began = time.perf_counter()
        i, size = frame.index - self.job.frames.start, self.seen.shape[1]
        self.looked[i] = True
        if self.wanted[i]:
            self.seen[i] = seen(frame, self.transforms[i], size, pixels)
        self.seconds += time.perf_counter() - began

    def prepare(self) -> None:
        """When all frames have been looked at: what is covered, and who stands for whom."""
        began = time.perf_counter()
        self.covered[self.wanted] = gate.covered(self.seen[self.wanted]).closed
        self.shown = self.seen
        if self.settings.reference != "same":
            opening = opening_of_voice(self.windows) if self.settings.reference == "voice" else np.zeros(len(self.seen))
            self.shown = references(self.seen, self.wanted & ~self.covered, opening)
        self.seconds += time.perf_counter() - began

    def result(self, about: dict[str, object]) -> LipResult:
        job, settings = self.job, self.settings
        gates = [*self.gates, gate.Gate("mouth covered", self.covered)]
        frames = np.arange(job.frames.start, job.frames.stop, dtype=np.int64)
        alpha = gate.alpha(len(frames), job.fade, gates, settings.crossfade)
        began = time.perf_counter()
        crops = finish(self.seen, self.painted, self.shapes, settings.match_color)
        crops[alpha == 0] = self.seen[alpha == 0]
        agree = agreement((self.seen, crops), self.windows, self.rate)
        stats = {**about, "frames": len(frames), "frames_changed": int((alpha > 0).sum()),
                 "mask_pixels": masks.mean_pixels(self.shapes, self.transforms, crops.shape[1]),
                 "speaker": job.speaker, "track": job.track_id, "turns": list(job.turn_ids)}  # fmt: skip
        if agree:
            stats |= {"sync_judge": JUDGE, "sync_before": round(agree[0], 3), "sync_after": round(agree[1], 3)}
        self.seconds += time.perf_counter() - began
        return LipResult(job.id, frames, crops, self.transforms, alpha, self.shapes, settings.restore_detail,
                         gate.notes(frames, gates), stats, seconds=self.seconds)  # fmt: skip


@dataclass(slots=True, eq=False)
class _Studio:
    """Collects frames of any job into batches and paints them; halves the batch when memory runs out. Crops are cut where it paints."""

    paint: Generator
    pending: list[tuple[_Work, int]] = field(default_factory=list)
    batch: int = 0
    pixels: Pixels = OPENCV

    def __post_init__(self) -> None:
        self.batch = self.paint.batch
        self.pixels = pixels_on(str(self.paint.about.get("device", "cpu")))

    @property
    def about(self) -> dict[str, object]:
        return {**self.paint.about, **record(self.pixels)}

    def add(self, work: _Work) -> None:
        work.prepare()
        self.pending += [(work, int(index)) for index in np.flatnonzero(work.wanted)]
        with keeping_freed():
            while len(self.pending) >= self.batch:
                self._paint_some()

    def flush(self) -> None:
        with keeping_freed():
            while self.pending:
                self._paint_some()

    def _paint_some(self) -> None:
        some = self.pending[: self.batch]
        windows = np.stack([work.windows[i] for work, i in some])
        crops = np.stack([work.seen[i] for work, i in some])
        shown = np.stack([work.shown[i] for work, i in some])
        began = time.perf_counter()
        try:
            painted = self.paint.generate(windows, crops, shown)
        except MemoryError as error:
            if len(some) == 1:
                raise DubkitError("there is not enough memory to paint even one face; close other programs") from error
            self.batch = max(1, len(some) // 2)
            return
        share = (time.perf_counter() - began) / len(some)
        for (work, i), face in zip(some, painted, strict=True):
            work.painted[i] = face
            work.left -= 1
            work.seconds += share
        del self.pending[: len(some)]


def _write_complete(active: list[_Work], studio: _Studio, write: Callable[[LipResult], None]) -> list[_Work]:
    for work in active:
        if work.complete:
            write(work.result(studio.about))
    return [work for work in active if not work.complete]
