"""``dubkit resolve serve``: answers the menu scripts. Everything slow happens here, never inside Resolve."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
from filelock import FileLock, Timeout

from dubkit.digest import file_digest, value_digest
from dubkit.errors import Cancelled, DubkitError, StorageError
from dubkit.nle import conform
from dubkit.nle.dub import DubResult, Order, dub_timeline
from dubkit.nle.dubber import Dubber
from dubkit.nle.plugins import get
from dubkit.nle.timeline import Clip, Timeline, TimelineError, Track
from dubkit.nle.uses import visible
from dubkit.types import FrameRange

from . import plan
from .mailbox import Mailbox, Request
from .settings import Choice, WorkerSettings, read_choice

log = logging.getLogger("dubkit.resolve")

OLDEST = 3600  # seconds; nobody waits for a request that old
PATIENCE = 10  # seconds that an export may take to be complete
BEAT = 5  # seconds


@dataclass
class Worker:
    """One worker a mailbox. ``clock`` and ``sleep`` are seconds, replaceable in tests."""

    mailbox: Mailbox
    settings: WorkerSettings
    dubber: Dubber
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _beaten: float = 0.0

    def serve(self, *, idle: float | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        """Answers until ``stop`` says so or nothing was asked for ``idle`` seconds. Raises StorageError where one serves already."""
        self.mailbox.check()
        lock = FileLock(str(self.mailbox.folder / "worker.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError(f"a worker serves {self.mailbox.folder} already") from error
        try:
            self.forget_other_settings()
            last = self.clock()
            while not stop():
                self.beat()
                if self.step():
                    last = self.clock()
                elif idle is not None and self.clock() - last > idle:
                    return
                else:
                    self.sleep(0.5)
        finally:
            lock.release()
            (self.mailbox.folder / "worker.lua").unlink(missing_ok=True)

    def step(self) -> bool:
        """Answers the requests that are there; whether there was one."""
        worked = False
        for request in self.mailbox.requests():
            age = self.clock() - request.path.stat().st_mtime
            if age > OLDEST:
                log.info("%s: too old, dropped", request.job)
                request.path.unlink(missing_ok=True)
                continue
            timeline = self._read(request, age)
            if timeline is not None:
                worked = True
                self._answer(request, timeline)
                request.path.unlink(missing_ok=True)
                self._choice_path(request).unlink(missing_ok=True)
                self.mailbox.cancel_file(request.job).unlink(missing_ok=True)
        for ack in self.mailbox.acks.glob("*.otio"):
            log.info("placed: %s", ack.stem)
            job, _, state = ack.stem.partition(".")
            if state in ("ok", "already"):  # after an undo it must be asked for: the dialogue may be another by then
                self.mailbox.forget(job)
            ack.unlink(missing_ok=True)
        return worked

    def beat(self) -> None:
        if self.clock() - self._beaten >= BEAT:
            self._beaten = self.clock()
            self.mailbox.beat(self._beaten)

    def forget_other_settings(self) -> None:
        """A finished dub made with other settings must not be placed by a script that finds it."""
        path, now = self.mailbox.folder / "served.json", self.settings.digest()
        if self.dubber.flags:
            now += value_digest({key: str(value) for key, value in self.dubber.flags.items()})
        before = path.read_text("utf-8") if path.is_file() else ""
        if before != now:
            for finished in self.mailbox.outbox.glob("timeline-*.lua"):
                finished.unlink(missing_ok=True)
            path.write_text(now, "utf-8")

    def _read(self, request: Request, age: float) -> Timeline | None:
        """The exported timeline; None while Resolve is still writing it."""
        try:
            timeline = get("otio" if request.path.suffix == ".otio" else "fcp7xml").read(request.path)
            return _with_ours_known(timeline, self.mailbox.jobs)
        except TimelineError as error:
            if age < PATIENCE:
                return None
            self.mailbox.fail(request, str(error))
            request.path.unlink(missing_ok=True)
            return None

    def _answer(self, request: Request, timeline: Timeline) -> None:
        log.info("%s: '%s', scope %s, %s", request.job, timeline.name, request.scope_text, request.version)
        self.mailbox.remember(request.version)
        try:
            self.mailbox.answer(request, self._plan(request, timeline))
        except Cancelled:
            self.mailbox.fail(request, "cancelled; what was finished is kept")
        except DubkitError as error:
            log.error("%s: %s", request.job, error)
            self.mailbox.fail(request, str(error))
        except Exception as error:  # one bad timeline must not end the worker for the next
            log.exception("%s failed", request.job)
            self.mailbox.fail(request, f"an error in dubkit ({type(error).__name__}: {error}); see worker.log")

    def _plan(self, request: Request, timeline: Timeline) -> dict[str, object]:
        choice = read_choice(self._choice_path(request), self.settings)
        order = Order(
            language=choice.language,
            script=self.settings.script(timeline, choice.language),
            source_language=self.settings.source_language,
            preset=choice.preset,
            handles=self.settings.handles,
            scope=request.scope,
        )
        references = self._to_render(timeline, order, everything=request.path.suffix == ".xml")
        paths = [plan.reference_path(request, i, self.mailbox.jobs) for i in range(len(references))]
        if references and request.step == 1:
            return plan.render(request, references, self.mailbox.jobs, order.script.track or "")
        for part, path in zip(references, paths, strict=True):
            _check_reference(path, part, timeline)
        whole = _with_references(timeline, references, paths)
        rendered = set(paths)
        result = dub_timeline(
            whole,
            order,
            self.mailbox.jobs,
            self.dubber,
            self._progress(request),
            digest=lambda path: packet_digest(path) if path in rendered else file_digest(path),
        )
        for path in paths:
            path.unlink(missing_ok=True)
        return self._reply(request, timeline, result, choice)

    def _reply(self, request: Request, timeline: Timeline, result: DubResult, choice: Choice) -> dict[str, object]:
        if not result.placed:
            return plan.nothing(request, "nothing in the scope could be dubbed")
        return plan.place(request, timeline, result, choice.language)

    def _to_render(self, timeline: Timeline, order: Order, everything: bool) -> list[FrameRange]:
        """Visible ranges that cannot be read from a file as they are seen: the script renders them.

        ``everything``: where Resolve exported no OTIO but FCP7 XML, in which it writes no speeds.
        """
        uses, refusals = visible(timeline, order.scope)
        parts = [refused.record for refused in refusals]
        variable: dict[Path, bool] = {}
        for use in uses:
            path = use.clip.media
            if not path.is_file():
                raise TimelineError(f"the clip '{use.clip.name}' is offline: {path} is not there; relink it in Resolve")
            if path not in variable:
                variable[path] = conform.inspect(path).variable
            if everything or use.clip.speed != 1 or variable[path]:
                parts.append(use.record)
        return sorted(parts)

    def _choice_path(self, request: Request) -> Path:
        return self.mailbox.inbox / f"{request.job}.choice.json"

    def _progress(self, request: Request):
        """Writes one line of JSON at most twice a second, and stops the work when the window's Cancel was pressed."""
        path, last = self.mailbox.outbox / f"{request.job}.progress.ndjson", [0.0]

        def report(done: float, total: float) -> None:
            self.beat()
            if self.clock() - last[0] < 0.5 and done < total:
                return
            last[0] = self.clock()
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"done": round(done, 2), "total": round(total, 2)}) + "\n")
            if self.mailbox.cancel_file(request.job).exists():
                raise Cancelled("cancelled from Resolve")

        return report


def _with_ours_known(timeline: Timeline, jobs: Path) -> Timeline:
    """Tracks of dubbed media are dubkit's whatever they are called now: FCP7 XML has no names of tracks."""

    def ours(track: Track) -> bool:
        return bool(track.clips) and all(clip.media is not None and jobs in clip.media.parents for clip in track.clips)

    return replace(timeline, tracks=tuple(replace(t, added=True) if ours(t) else t for t in timeline.tracks))


def packet_digest(path: Path) -> str:
    """Digest of a film's pictures and sound without its container, which carries the hour it was written."""
    hasher = hashlib.blake2b(digest_size=16)
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                hasher.update(bytes(packet))
    return hasher.hexdigest()


def _check_reference(path: Path, part: FrameRange, timeline: Timeline) -> None:
    """Raises TimelineError unless Resolve rendered what was asked: after some presets a file has no picture, or other frames."""
    if not path.is_file() or os.path.islink(path):
        raise TimelineError(f"Resolve did not render the reference {path.name}; see its Deliver page")
    info = conform.inspect(path)
    frames = round(info.duration * info.rate)
    if info.rate != timeline.rate or frames != len(part):
        raise TimelineError(
            f"the rendered reference {path.name} has {frames} frames at {float(info.rate):.3f}, expected {len(part)} at {float(timeline.rate):.3f}"
        )


def _with_references(timeline: Timeline, parts: list[FrameRange], paths: list[Path]) -> Timeline:
    """The timeline with the rendered references above everything."""
    if not parts:
        return timeline
    clips = tuple(Clip(_name_at(timeline, part), part, path) for part, path in zip(parts, paths, strict=True))
    return replace(timeline, tracks=(*timeline.tracks, Track("video", "references", clips)))


def _name_at(timeline: Timeline, part: FrameRange) -> str:
    return next(
        (c.name for t in reversed(timeline.of_kind("video")) for c in t.clips if len(c.record & part) and not t.ours),
        "clip",
    )
