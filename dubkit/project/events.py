"""What a run tells its listeners (a bar, a log, an editor's dialog, NDJSON): plain, immutable events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``kind`` is start, progress, end, fresh, failed or message."""

    kind: str
    stage: str = ""
    language: str | None = None
    done: float = 0.0
    total: float = 0.0
    seconds: float = 0.0  # wall time of the stage, for kind "end"
    text: str = ""  # why a stage runs, or the message


Listener = Callable[[Event], None]


def nobody(event: Event) -> None:
    """A listener that does not listen."""
