"""RTTM (Rich Transcription Time Marked, NIST RT-09 evaluation plan, appendix A), the common file of all diarizers.

One line a turn::

    SPEAKER <file id> <channel> <start> <duration> <NA> <NA> <speaker> <confidence> <NA>

A file may hold several recordings (file ids). Overlapping turns are kept. Lines of other types (SPKR-INFO, LEXEME ...)
and comments (``;;``) are no turns and are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from dubkit.errors import SpeechFileError
from dubkit.files import atomic_write
from dubkit.speech.turns import make_turns
from dubkit.types import Turn


def load(path: Path, file_id: str | None = None) -> tuple[Turn, ...]:
    """The turns of one recording in an RTTM file, sorted by time.

    ``file_id`` None takes the only recording of the file. Raises SpeechFileError: no such file or recording, several
    recordings and none chosen, a line that is not RTTM.
    """
    return choose(load_all(path), file_id, path.name)


def load_all(path: Path) -> dict[str, tuple[Turn, ...]]:
    """Every recording of an RTTM file: file id → turns."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return read(file, path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise SpeechFileError(f"{path} cannot be read as an RTTM file: {error}") from error


def read(file: TextIO, name: str = "RTTM") -> dict[str, tuple[Turn, ...]]:
    """File id → turns, of an open text file."""
    return parse(file.read(), name)


def parse(text: str, name: str = "RTTM") -> dict[str, tuple[Turn, ...]]:
    """File id → turns. Raises SpeechFileError with the line number."""
    found: dict[str, list[tuple[float, float, str, float]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";") or fields[0] != "SPEAKER":
            if fields and not fields[0].startswith(";") and not fields[0].isupper():
                raise SpeechFileError(f"{name}, line {number}: '{line.strip()[:60]}' is not an RTTM line")
            continue
        if len(fields) < 8:
            raise SpeechFileError(
                f"{name}, line {number}: {len(fields)} fields, expected SPEAKER with at least 8 (… start duration "
                "<NA> <NA> speaker)"
            )
        start, duration = (_seconds(fields[i], what, name, number) for i, what in ((3, "start"), (4, "duration")))
        confidence = 1.0
        if len(fields) > 8 and fields[8] != "<NA>":
            confidence = _seconds(fields[8], "confidence", name, number)
        found.setdefault(fields[1], []).append((start, start + duration, fields[7], confidence))
    return {file_id: make_turns(spans) for file_id, spans in found.items()}


def choose(recordings: Mapping[str, tuple[Turn, ...]], file_id: str | None, name: str = "RTTM") -> tuple[Turn, ...]:
    """The turns of ``file_id``; of the only recording where it is None. Raises SpeechFileError naming what is there."""
    if not recordings:
        raise SpeechFileError(f"{name} holds no SPEAKER line, so it says nothing about who speaks")
    if file_id is None:
        if len(recordings) > 1:
            raise SpeechFileError(
                f"{name} holds several recordings ({', '.join(sorted(recordings))}); say which with speech.diarization_id"
            )
        return next(iter(recordings.values()))
    if file_id not in recordings:
        raise SpeechFileError(f"{name} has no recording '{file_id}'; it holds: {', '.join(sorted(recordings))}")
    return recordings[file_id]


def dump(turns: Iterable[Turn], file_id: str) -> str:
    """The turns as RTTM text. Spaces, which RTTM cannot hold, become underscores."""
    lines = []
    for turn in turns:
        confidence = "<NA>" if turn.confidence == 1.0 else f"{turn.confidence:.3f}"
        lines.append(
            f"SPEAKER {_word(file_id)} 1 {turn.segment.start:.3f} {turn.segment.duration:.3f} <NA> <NA> "
            f"{_word(turn.speaker)} {confidence} <NA>\n"
        )
    return "".join(lines)


def save(path: Path, turns: Iterable[Turn], file_id: str) -> Path:
    """Writes an RTTM file at once and returns its path."""
    atomic_write(path, dump(turns, file_id).encode())
    return path


def _word(text: str) -> str:
    return "_".join(text.split()) or "<NA>"


def _seconds(text: str, what: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise SpeechFileError(f"{name}, line {number}: {what} is '{text}', expected a number that is not negative")
    return value
