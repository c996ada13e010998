"""The task graph of a title: its steps, what each comes after, and what it needs of a machine.

A step is one or more stages of the pipeline that run in one go. Steps of the source side run once for a title, the others
once for each language. Steps that nothing connects overlap: the speech of one film with its faces, the lips of one dub
with the encoding of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Need:
    """What a step takes of a machine while it runs."""

    cpus: float = 1.0  # cores that it keeps busy
    gpu_gib: float = 0.0  # memory of one GPU; 0: it runs on the CPU


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the graph. ``need.gpu_gib`` is used where the engine has GPUs; without one the step runs on the CPU."""

    name: str
    stages: tuple[str, ...]  # of dubkit.project.stages, in this order; none: what dubkit.batch.work does for it
    after: tuple[str, ...]
    need: Need
    per_language: bool = False
    splits: bool = False  # its first stage can be made in parts of the film
    device: str = ""  # the setting that may insist on a GPU
    seconds: float = 0.1  # CPU seconds for a second of film, see docs/batch.md; history of the ledger replaces it


STEPS: tuple[Step, ...] = (
    Step("prepare", ("ingest", "shots"), (), Need(1), seconds=0.2),
    Step("speech", ("diarize", "transcribe"), ("prepare",), Need(2, 4.0), device="speech.device", seconds=2.0),
    Step("faces", ("faces",), ("prepare",), Need(1), splits=True, seconds=0.8),
    Step("cast", ("match",), ("speech", "faces"), Need(1), seconds=0.3),
    Step("adapt", ("adapt",), ("cast",), Need(1, 6.0), device="lips.device", seconds=0.0),
    Step("voice", ("voice",), ("cast",), Need(1), per_language=True, seconds=0.2),
    Step("lips", ("lips",), ("voice", "adapt"), Need(2, 3.0), True, splits=True, device="lips.device", seconds=2.0),
    Step("render", ("render", "report"), ("lips",), Need(2), True, splits=True, seconds=0.8),
    Step("score", (), ("render",), Need(1), True, seconds=0.5),
)
NUMBER = {step.name: number for number, step in enumerate(STEPS)}


def downstream(name: str) -> tuple[int, ...]:
    """The numbers of all steps that come, directly or not, after a step."""
    found = {name}
    for step in STEPS:
        if found & set(step.after):
            found.add(step.name)
    return tuple(NUMBER[other] for other in sorted(found - {name}, key=NUMBER.get))


def needs(changed: Mapping[str, Mapping[str, float | None]], gpus: bool) -> dict[str, Need]:
    """What each step needs here: the table's values, those that a catalogue ``changed``, and no GPU where there is none
    and nobody asked for one by name."""
    found = {}
    for step in STEPS:
        said = {key: value for key, value in changed.get(step.name, {}).items() if value is not None}
        need = replace(step.need, **said)
        found[step.name] = need if gpus or "gpu_gib" in said else replace(need, gpu_gib=0.0)
    return found


def part_ranges(frames: int, seconds: float, longest: float) -> list[list[int]]:
    """Frame ranges of a film's parts, each at most ``longest`` seconds; none where the film is not worth splitting."""
    count = -(-seconds // longest) if seconds > 1.5 * longest else 0
    count = int(min(count, frames))
    return [[frames * i // count, frames * (i + 1) // count] for i in range(count)]
