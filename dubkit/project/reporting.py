"""The report of one dub: what was changed, by which engine and weights under which licence, and what needs an eye."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubkit import __version__
from dubkit.project import artefacts
from dubkit.project.dubbing import seconds_file
from dubkit.project.rendering import Rendered, lip_results
from dubkit.review.report import write_report
from dubkit.types import Assignment, DubLine, Line, Turn

if TYPE_CHECKING:
    from dubkit.project.stages import Work

SCHEMA = "dubkit.report/1"


def make_report(work: Work) -> list[Path]:
    """Writes report.json and report.html."""
    from dubkit.lips.result import changes_of
    from dubkit.project.reads import output_path

    media = work.media()
    jobs = []
    for job, (frames, path) in sorted(lip_results(work).items(), key=lambda item: item[1][0]):
        (stats, notes, changed), took = changes_of(path), seconds_file(path)
        seconds = artefacts.read_json(took, float) if took.is_file() else None
        jobs.append({**stats, "job": job, "frames": [frames.start, frames.stop], "notes": list(notes),
                     "seconds": seconds, "changed": _ranges(changed)})  # fmt: skip
    altered = sorted({frame for job in jobs for start, stop in job["changed"] for frame in range(start, stop)})
    voice = work.store.stage_folder("voice", work.language)
    film = output_path(work.project, work.settings, work.language)
    told = artefacts.read_json(work.file("render", "render.json"), Rendered)
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "dubkit": __version__,
        "source": {"file": media.path.name, "digest": media.digest, "frames": media.video.num_frames,
                   "rate": str(media.video.rate), "warnings": list(media.warnings)},
        "result": {"file": film.name, "language": work.language, "frames_altered": len(altered),
                   "altered": _ranges(altered), "copied": [[f.start, f.stop] for f in told.copied],
                   "not_copied": told.not_copied, "left_out": list(told.left_out),
                   "blended": list(told.blended)},
        "lines": _lines(work, voice),
        "voice": artefacts.read_json(voice / "report.json", dict[str, Any]),
        "lips": jobs,
        "stages": _stages(work),
    }  # fmt: skip
    return [
        artefacts.write_json(work.folder / "report.json", report, dict[str, Any]),
        write_report(work.folder / "report.html", report),
    ]


def _lines(work: Work, voice: Path) -> list[dict[str, Any]]:
    """One row a turn: who, when, what was said, where the face is, and what became of it."""
    turns = artefacts.read_json(voice / "turns.json", tuple[Turn, ...])
    lines = {line.turn_id: line for line in artefacts.read_json(voice / "lines.json", tuple[Line, ...])}
    dubbed: dict[str, list[DubLine]] = {}
    for line in artefacts.read_json(voice / "dub.json", tuple[DubLine, ...]):
        dubbed.setdefault(line.turn_id, []).append(line)
    placed: dict[str, list[Assignment]] = {}
    for assignment in work.assignments():
        placed.setdefault(assignment.turn_id, []).append(assignment)
    return [
        {
            "turn": turn.id,
            "start": turn.segment.start,
            "end": turn.segment.end,
            "speaker": turn.speaker,
            "text": lines[turn.id].text if turn.id in lines else "",
            "translation": lines[turn.id].translation if turn.id in lines else None,
            "faces": [
                {"shot": a.shot, "state": a.state, "track": a.track_id, "margin": round(a.margin, 2), "source": a.source,
                 "reason": a.reason} for a in placed.get(turn.id, ())
            ],
            "dub": [
                {"start": d.segment.start, "end": d.segment.end, "stretch": round(d.stretch, 3), "gain": round(d.gain, 2),
                 "source": d.source, "notes": list(d.notes)} for d in dubbed.get(turn.id, ())
            ],
        }
        for turn in turns
    ]  # fmt: skip


def _stages(work: Work) -> list[dict[str, Any]]:
    from dubkit.project.stages import STAGES

    rows = []
    for stage in STAGES:
        record = work.store.record(stage.name, work.language if stage.per_language else None)
        if record:
            rows.append({"stage": stage.name, "seconds": record.seconds, "weights": record.weights,
                         "settings": record.settings})  # fmt: skip
    return rows


def _ranges(frames: Any) -> list[list[int]]:
    """Sorted frame numbers as half-open ranges."""
    ranges: list[list[int]] = []
    for frame in map(int, frames):
        if ranges and ranges[-1][1] == frame:
            ranges[-1][1] = frame + 1
        else:
            ranges.append([frame, frame + 1])
    return ranges
