"""What a worker does: one step of a title through the pipeline, and what the ledger should know of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dubkit.batch import remote
from dubkit.batch.base import Job
from dubkit.batch.graph import NUMBER, STEPS, part_ranges
from dubkit.errors import InputError, StorageError
from dubkit.project import layers, schema
from dubkit.project.events import Event
from dubkit.project.pipeline import Pipeline
from dubkit.types import FrameRange

WAIT = 600.0  # seconds that a step waits for another run that works on the same stage


def do_job(job: Job, listener: Callable[[Event], None]) -> dict[str, Any]:
    """One task. Returns facts for the ledger. Raises DubkitError."""
    step, language = STEPS[NUMBER[job.task.step]], job.task.language or None
    needs_space(Path(job.project).parent, 0)
    for address, path in job.downloads:
        asks = step.name in ("prepare", "voice")  # later steps work on what these have brought
        if (asks or not Path(path).exists()) and remote.download(address, Path(path)):
            listener(Event("message", step.name, language, text=f"brought {address}"))
    file = schema.load(Path(job.project))
    pipeline = Pipeline(file, layers.merged(file)[0], listener)
    file.check_files([language] if language else [])
    if job.task.frames:
        pipeline.part(step.stages[0], language, FrameRange(*job.task.frames), WAIT)
        return {}
    for stage in step.stages:
        pipeline.bring(stage, language, WAIT)
    if step.name == "prepare":
        return _about_film(pipeline, job)
    if step.name == "cast":
        return {"speakers": len(json.loads(_file(pipeline, "match", "characters.json").read_bytes()))}
    if step.name == "render":
        return _about_dub(pipeline, language, job)
    if step.name == "score" and job.score:
        return {"sync": _score(pipeline, language, listener)}
    return {}


def _file(pipeline: Pipeline, stage: str, name: str, language: str | None = None) -> Path:
    return pipeline.store.stage_folder(stage, language) / name


def _about_film(pipeline: Pipeline, job: Job) -> dict[str, Any]:
    media = json.loads(_file(pipeline, "ingest", "media.json").read_bytes())
    frames, warnings = media["video"]["num_frames"], media["warnings"]
    return {"seconds": media["duration"], "frames": frames, "warnings": list(warnings),
            "parts": part_ranges(frames, media["duration"], job.split_seconds)}  # fmt: skip


def _about_dub(pipeline: Pipeline, language: str, job: Job) -> dict[str, Any]:
    """The row of the batch report, and the film sent where it belongs."""
    outcome = pipeline.outcome(language)
    report = json.loads(outcome.report.with_suffix(".json").read_bytes())
    faces = [[face["state"] for face in line["faces"]] for line in report["lines"]]
    folder = pipeline.store.folder / language
    facts = {
        "film": str(outcome.film),
        "page": str(outcome.report),
        "lines": len(report["lines"]),
        "dubbed": sum(bool(line["dub"]) for line in report["lines"]),
        "undecided": sum("undecided" in states for states in faces),
        "frames_altered": report["result"]["frames_altered"],
        "loudness": report["voice"].get("loudness", {}).get("integrated_lufs"),
        "scratch": _bytes(folder),
        "bytes": outcome.film.stat().st_size,
        "warnings": [note for line in report["lines"] for dub in line["dub"] for note in dub["notes"]],
    }
    if job.upload:
        address = job.upload if Path(job.upload).suffix == outcome.film.suffix else job.upload + outcome.film.suffix
        remote.upload(outcome.film, address)
        facts["sent"] = address
    if not job.keep_pieces:
        shutil.rmtree(_file(pipeline, "render", "pieces", language), ignore_errors=True)
    return facts


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _score(pipeline: Pipeline, language: str, listener: Callable[[Event], None]) -> dict[str, Any] | None:
    """Lip sync of the finished film, on the faces that were given new lips; None where none of them is long enough."""
    from dubkit.evaluate.dub import evaluate_dub

    def shown(done: float, total: float) -> None:
        listener(Event("progress", "score", language, done, total))

    began = time.monotonic()
    listener(Event("start", "score", language))
    try:
        return evaluate_dub(pipeline.store, pipeline.outcome(language).film, language, progress=shown)
    except InputError:
        return None
    finally:
        listener(Event("end", "score", language, seconds=time.monotonic() - began))


def needs_space(folder: Path, wanted: float) -> None:
    """Raises StorageError unless ``wanted`` bytes and a reserve are free where the batch keeps its files."""
    free = shutil.disk_usage(folder).free
    if free < wanted + RESERVE:
        raise StorageError(
            f"{free / 2**30:.1f} GiB are free at {folder}, and {(wanted + RESERVE) / 2**30:.1f} GiB are needed; free some"
        )


RESERVE = 1 << 30  # bytes of disk that a batch leaves free
