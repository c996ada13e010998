"""Who dubs a reel: a ``Dubber``. The real one writes a project file and runs dubkit's pipeline on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from dubkit.progress import Progress


@dataclass(frozen=True, slots=True)
class DubRequest:
    """One reel to dub."""

    film: Path  # the reel: lossless, constant rate
    rate: Fraction  # frames a second
    frames: int
    language: str  # ISO 639-1, of the dub
    source_language: str
    dialogue: Path | None  # WAV as long as the reel ...
    subtitles: Path | None  # ... or SRT in the reel's time
    preset: str | None
    folder: Path  # the dubber's own: project file, artefacts and film go here


@dataclass(frozen=True, slots=True)
class LineNote:
    """A line that a person should look at."""

    start: float  # seconds of the reel
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Dubbed:
    """The dubbed reel: intra-coded, as many frames as the reel, its sound the finished mix."""

    film: Path
    notes: tuple[LineNote, ...] = ()


class Dubber(Protocol):
    """Anything that dubs a reel. Running it again on the same request must give the same film without new work."""

    flags: Mapping[str, Any]  # settings by "section.key" that it was given beforehand; they belong to a timeline's key

    def __call__(self, request: DubRequest, progress: Progress) -> Dubbed:
        """``progress`` counts from 0 to its total; raising Cancelled from it stops the work. Raises DubkitError."""
        ...
