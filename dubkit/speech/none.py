"""The transcriber that writes nothing: for a film whose language no model at hand knows, or that needs no transcript."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dubkit.pieces import Pieces
from dubkit.progress import Progress
from dubkit.settings import SpeechSettings
from dubkit.types import Line, Turn


class NoTranscriber:
    """Lines with empty text."""

    def transcribe(
        self,
        audio: Path,
        turns: Sequence[Turn],
        settings: SpeechSettings,
        language: str | None,
        progress: Progress,
        pieces: Pieces,
    ) -> tuple[Line, ...]:
        progress(1, 1)
        return tuple(Line(turn.id, turn.id, turn.segment, turn.speaker, "", language=language) for turn in turns)
