"""The real dubber: a project file beside the reel, dubkit's own pipeline, and its report read for lines to look at.

The project stays, so a person can open it (``dubkit cast``), decide whose face a line belongs to, and run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from dubkit.nle.dubber import Dubbed, DubRequest, LineNote
from dubkit.progress import Progress
from dubkit.project import layers, schema
from dubkit.project.events import Event
from dubkit.project.pipeline import Pipeline
from dubkit.project.stages import STAGES

FOR_EDITING = {
    "render.codec": "dnxhr",  # every edition of Resolve on every system reads DNxHR and PCM in QuickTime
    "render.audio_codec": "pcm",
    "render.dub_track": "replace",
    "voice.problems": "report",  # a line without its dub gets a marker; the rest of the timeline is dubbed all the same
}


class PipelineDubber:
    """Implements ``Dubber``. ``flags``: settings by "section.key" that override presets and the project file."""

    def __init__(self, flags: Mapping[str, Any] | None = None):
        self.flags = dict(flags or {})

    def __call__(self, request: DubRequest, progress: Progress) -> Dubbed:
        """Runs what is stale of the reel's project. Raises DubkitError."""
        given = FOR_EDITING | self.flags
        file = self.project(request, given)
        settings, _ = layers.merged(file, request.preset, given)
        finished = 0

        def listen(event: Event) -> None:
            nonlocal finished
            if event.kind in ("end", "fresh"):
                finished += 1
                progress(finished, len(STAGES))
            elif event.kind == "progress":
                progress(finished + (event.done / event.total if event.total else 0), len(STAGES))

        [outcome] = Pipeline(file, settings, listen).run([request.language])
        report = json.loads(outcome.report.with_suffix(".json").read_text("utf-8"))
        return Dubbed(outcome.film, tuple(notes(report, float(request.rate))))

    @staticmethod
    def project(request: DubRequest, given: Mapping[str, Any] = {}) -> schema.ProjectFile:
        """The reel's project file; one that is there is kept, with whatever a person has decided in it.

        It holds the preset and the settings ``given`` by "section.key", so that ``dubkit cast`` sees the same lines and faces.
        """
        path = request.folder / f"reel{schema.SUFFIX}"
        if path.is_file():
            return schema.load(path)
        here = lambda given: given.relative_to(request.folder).as_posix()  # noqa: E731
        document = tomlkit.document()
        document["schema"] = schema.SCHEMA
        document["name"] = "reel"
        if request.preset:
            own = layers.is_preset_file(request.preset)
            document["preset"] = str(Path(request.preset).expanduser().resolve()) if own else request.preset
        document["source"] = {"film": here(request.film), "language": request.source_language}
        target = {"dialogue": here(request.dialogue)} if request.dialogue else {"subtitles": here(request.subtitles)}
        document["target"] = {request.language: target}
        settings: dict[str, dict[str, Any]] = {}
        for key, value in given.items():
            section, _, name = key.partition(".")
            settings.setdefault(section, {})[name] = value
        document["settings"] = settings
        return schema.create(path, document)


def notes(report: Mapping[str, Any], rate: float) -> list[LineNote]:
    """What a person should look at: lines whose face is undecided, lines that do not fit, mouths that could not be moved."""
    whole = report["source"]["frames"] / rate
    found = [LineNote(0.0, whole, str(problem)) for problem in report["voice"].get("problems", ())]
    for line in report["lines"]:
        said = line.get("translation") or line.get("text") or line["speaker"]
        why = [f"whose face? {face['reason']}" for face in line["faces"] if face["state"] == "undecided"]
        why += [note for dub in line["dub"] for note in dub["notes"]]
        if why:
            found.append(LineNote(line["start"], line["end"], f"{said}: {'; '.join(dict.fromkeys(why))}"))
    for job in report["lips"]:
        if job["notes"]:
            start, stop = job["frames"]
            found.append(LineNote(start / rate, stop / rate, "; ".join(dict.fromkeys(map(str, job["notes"])))))
    return sorted(found, key=lambda note: (note.start, note.text))
