"""Runs the stages that are stale and nothing else.

A stage is fresh when its record's inputs, settings, code version and weights equal today's and its outputs are intact.
Inputs are the digests of the outputs of the stages it needs, and of the files of the project that it reads; a stage
that ran again to the same bytes therefore leaves everything after it fresh.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit.digest import file_digest, value_digest
from dubkit.errors import DubkitError, ProjectError
from dubkit.pieces import Pieces
from dubkit.process import as_typed
from dubkit.project.events import Event, Listener, nobody
from dubkit.project.layers import merged
from dubkit.project.reads import check_outputs, output_path
from dubkit.project.schema import ProjectFile, load
from dubkit.project.stages import STAGES, Stage, Work
from dubkit.project.store import Store, output_name
from dubkit.settings import Settings
from dubkit.types import FrameRange, StageRecord

UNFINISHED = "unfinished"  # in a stage's folder: the pieces of work that is not done yet


@dataclass(frozen=True, slots=True)
class StageStatus:
    """Where a stage stands: state is done, stale, never, failed or waits; ``why`` says what changed."""

    stage: str
    language: str | None
    state: str
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave for one language."""

    language: str
    film: Path
    report: Path


class Pipeline:
    """The stages over one project. ``settings`` are the merged ones (see ``dubkit.project.layers``)."""

    def __init__(self, project: ProjectFile, settings: Settings, listener: Listener = nobody):
        self.project, self.settings, self.listener = project, settings, listener
        self.store = Store(project.folder)

    def run(self, languages: Sequence[str] = (), until: str | None = None, wait: float = 0.0) -> list[Outcome]:
        """Brings everything up to date, up to and including the stage ``until``. Raises DubkitError.

        Source-side stages run once; then each language. What was finished stays finished whatever is raised. Where
        another run holds the source side or a language, this one waits up to ``wait`` seconds.
        """
        languages = self._languages(languages)
        wanted = self._wanted(until)
        dubbing = any(stage.per_language for stage in wanted)
        self.project.check_files(languages if dubbing else ())
        if dubbing:
            check_outputs(self.project, self.settings, languages)
        for stage in wanted:  # weights that are missing or do not fit are told now, not after an hour of work
            stage.weights(self.settings)
        with self.store.lock(None, wait):
            for stage in (s for s in wanted if not s.per_language):
                self._bring_up_to_date(stage, None, wait)
        for language in languages:
            with self.store.lock(language, wait):
                for stage in (s for s in wanted if s.per_language):
                    self._bring_up_to_date(stage, language, wait)
        return [self.outcome(language) for language in languages]

    def bring(self, stage: str, language: str | None = None, wait: float = 0.0) -> None:
        """Brings one stage up to date, for a scheduler that sees to the order itself. Raises DubkitError."""
        check_outputs(self.project, self.settings, [language] if language else ())
        found = self._stage(stage)
        for need in found.needs:
            record = self.store.record(need, language if self._stage(need).per_language else None)
            if record is None or record.state != "done":
                again = as_typed("dubkit", "dub", self.project.path, "--until", need)
                raise ProjectError(
                    f"what the stage {need} found is not in {self.store.folder} (any more?); it is made by: {again}"
                )
        self._bring_up_to_date(found, language, wait)

    def part(self, stage: str, language: str | None, frames: FrameRange, wait: float = 0.0) -> None:
        """Does the work of a stage that begins in ``frames`` and leaves it where the stage itself will find it done.

        Parts of one stage may run at the same time, in any number of processes. Raises DubkitError.
        """
        found = self._stage(stage)
        with self.store.lock(language, wait, f"{stage}.{frames.start}"):
            record = self.store.record(stage, language)
            if record and record.state == "done" and not self._why_stale(found, language, record):
                self.listener(Event("fresh", stage, language))
                return
            self.listener(Event("start", stage, language, text=f"frames {frames.start} to {frames.stop}"))
            folder, started = self.store.stage_folder(stage, language), time.monotonic()
            folder.mkdir(parents=True, exist_ok=True)
            found.part(Work(self.project, self.settings, language, self.store, folder, stage, self.listener), frames)
            self.listener(Event("end", stage, language, seconds=time.monotonic() - started))

    def status(self, languages: Sequence[str] = ()) -> list[StageStatus]:
        """Where every stage stands; runs nothing and needs no lock."""
        rows, stale = [], set()
        for language in (None, *self._languages(languages)):
            for stage in STAGES:
                if stage.per_language != (language is not None):
                    continue
                row = self._stage_status(stage, language, stale)
                if row.state != "done":
                    stale |= {(stage.name, language)}
                rows.append(row)
        return rows

    def outcome(self, language: str) -> Outcome:
        """The paths of one language's finished film and report (which may not exist yet)."""
        film = output_path(self.project, self.settings, language)
        return Outcome(language, film, self.store.stage_folder("report", language) / "report.html")

    # ------------------------------------------------------------------------------------------------------- internals

    def _languages(self, languages: Sequence[str]) -> list[str]:
        known = list(self.project.project.target)
        for language in languages:
            if language not in known:
                raise ProjectError(f"{self.project.path.name} has no [target.{language}]; it has: {', '.join(known)}")
        return list(languages) or known

    @staticmethod
    def _wanted(until: str | None) -> list[Stage]:
        names = [stage.name for stage in STAGES]
        if until is not None and until not in names:
            raise ProjectError(f"there is no stage '{until}'; the stages are: {', '.join(names)}")
        if until is None:
            return list(STAGES)
        needed, todo = set(), [until]
        while todo:
            name = todo.pop()
            if name not in needed:
                needed.add(name)
                todo += STAGES[names.index(name)].needs
        return [stage for stage in STAGES if stage.name in needed]

    def _stage_status(self, stage: Stage, language: str | None, stale: Iterable[tuple[str, str | None]]) -> StageStatus:
        waits = [need for need in stage.needs if (need, language) in stale or (need, None) in stale]
        record = self.store.record(stage.name, language)
        if record is None:
            return StageStatus(stage.name, language, "never", f"waits for {', '.join(waits)}" if waits else "")
        if record.state == "failed":
            return StageStatus(stage.name, language, "failed", record.error or "", record.seconds)
        if waits:
            return StageStatus(stage.name, language, "waits", f"for {', '.join(waits)}", record.seconds)
        why = self._why_stale(stage, language, record)
        return StageStatus(stage.name, language, "stale" if why else "done", why or "", record.seconds)

    def _expected(self, stage: Stage, language: str | None) -> StageRecord:
        """The record that the stage would have if it ran now, without outputs."""
        inputs = {}
        for need in stage.needs:
            upstream = self.store.record(need, None if not self._stage(need).per_language else language)
            inputs[need] = value_digest(upstream.outputs) if upstream else "absent"
        for name, path in stage.files(self.project, self.settings, language).items():
            # A line said anew changes a stem of the same length in one place; the film is the only file that is too large.
            inputs[name] = file_digest(path, whole=name != "source.film") if path.is_file() else "absent"
        for name, value in stage.values(self.project, language).items():
            inputs[name] = value_digest(value)
        settings = read_settings(self.settings, stage.reads)
        weights = stage.weights(self.settings)
        return StageRecord(stage.name, "done", inputs, settings, stage.version, {}, weights)

    def _why_stale(self, stage: Stage, language: str | None, record: StageRecord) -> str | None:
        expected = self._expected(stage, language)
        if record.code != expected.code:
            return f"its code changed ({record.code} → {expected.code})"
        for key in sorted({*record.settings, *expected.settings}):
            old, new = record.settings.get(key), expected.settings.get(key)
            if old != new:
                return f"setting {key} changed: {old} → {new}"
        for kind, olds, news in (
            ("input", record.inputs, expected.inputs),
            ("weights", record.weights, expected.weights),
        ):
            for key in sorted({*olds, *news}):
                if olds.get(key) != news.get(key):
                    return f"{kind} {key} {'changed' if key in olds and key in news else 'is new' if key in news else 'is gone'}"
        return self.store.outputs_intact(record, language, self.project.path.parent)

    @staticmethod
    def _stage(name: str) -> Stage:
        return next(stage for stage in STAGES if stage.name == name)

    def _bring_up_to_date(self, stage: Stage, language: str | None, wait: float = 0.0) -> None:
        with self.store.lock(language, wait, stage.name):
            self._run_if_stale(stage, language)

    def _run_if_stale(self, stage: Stage, language: str | None) -> None:
        record = self.store.record(stage.name, language)
        why = (
            "never ran"
            if record is None
            else "failed before"
            if record.state == "failed"
            else self._why_stale(stage, language, record)
        )
        if not why:
            self.listener(Event("fresh", stage.name, language))
            return
        self.listener(Event("start", stage.name, language, text=why))
        expected = self._expected(stage, language)
        folder = self.store.begin(stage.name, language)
        started = time.monotonic()
        pieces = Pieces(folder / UNFINISHED, value_digest(expected))
        work = Work(self.project, self.settings, language, self.store, folder, stage.name, self.listener, pieces)
        try:
            outputs = stage.run(work)
        except DubkitError as error:
            failed = StageRecord(stage.name, "failed", {}, {}, stage.version, {}, error=str(error))
            self.listener(Event("failed", stage.name, language, text=str(error)))
            with contextlib.suppress(DubkitError):  # a full disk: the first error is the one to report
                self.store.finish(failed, language)
            raise
        finally:
            pieces.close()
        seconds = time.monotonic() - started
        named = {output_name(folder, self.project.path.parent, path): file_digest(path) for path in outputs}
        done = StageRecord(
            stage.name,
            "done",
            expected.inputs,
            expected.settings,
            stage.version,
            named,
            expected.weights,
            round(seconds, 2),
        )
        self.store.finish(done, language)
        pieces.discard()
        self.listener(Event("end", stage.name, language, seconds=seconds))


def read_settings(settings: Settings, reads: Sequence[str]) -> dict[str, object]:
    """The settings that a stage reads: "section" for all of it, "-section.key" for all but one, "section.key" for one."""
    dumped, chosen = settings.model_dump(mode="json"), {}
    for entry in reads:
        section, _, key = entry.lstrip("-").partition(".")
        if entry.startswith("-"):
            del chosen[f"{section}.{key}"]
        else:
            chosen |= {f"{section}.{k}": v for k, v in dumped[section].items() if not key or k == key}
    return chosen


def dub(
    project: Path,
    languages: Sequence[str] = (),
    preset: str | None = None,
    flags: Mapping[str, object] | None = None,
    listener: Listener = nobody,
) -> list[Outcome]:
    """Dubs a film: everything of the project file that is stale, and nothing else. Raises DubkitError.

    ``languages``: only these; none: all of the project. ``flags``: settings by "section.key" that win over the project.
    """
    file = load(Path(project))
    settings, _ = merged(file, preset, flags)
    return Pipeline(file, settings, listener).run(languages)
