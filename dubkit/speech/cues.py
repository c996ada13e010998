"""Timed text from files: subtitles (through pysubs2), translator's sheets (CSV, TSV) and whisperX JSON, as cues.

Encodings: UTF-8 and UTF-16 with or without a byte-order mark; else Windows-1252, which old subtitles use, and the report
says so. Speaker names are read from "name: text", from <v name> of WebVTT and from the actor field of ASS.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from dubkit.errors import SpeechFileError
from dubkit.types import Segment, Word

SHEET = ("line", "speaker", "start", "end", "source", "target")  # columns of the translator's sheet
_NAME = re.compile(r"^\s*(?:-\s*)?([^\W\d_][\w .'’-]{0,30}?|SPEAKER_\d+)\s*:\s+(?=\S)")
_VOICE_TAG = re.compile(r"<v(?:\.[\w.]+)?\s+([^>]+)>")
_VOICE = re.compile("\x02([^\x03]+)\x03")  # the same after pysubs2, which drops the tag
_TAG = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True, slots=True)
class Cue:
    """One timed text of a file."""

    number: int  # from 1, as a person would count
    segment: Segment
    text: str  # without tags and speaker names; lines parted by "\n"
    speaker: str | None = None
    line_id: str | None = None  # the line it was written for, where the file says so
    source: str = ""  # text in the film's language, where the file has it
    words: tuple[Word, ...] = ()


def load(path: Path) -> tuple[tuple[Cue, ...], tuple[str, ...]]:
    """Cues sorted by time, and notes about the reading. Raises SpeechFileError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpeechFileError(f"{path} cannot be read: {error.strerror}") from error
    text, encoding = decode(data, path.name)
    notes = [] if encoding.startswith("utf") else [f"{path.name} is not UTF-8; it was read as {encoding}"]
    return parse(text, path.suffix.lower(), path.name), tuple(notes)


def decode(data: bytes, name: str = "file") -> tuple[str, str]:
    """Text and the name of its encoding. Raises SpeechFileError where none fits."""
    candidates = ["utf-8-sig", "cp1252"]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        candidates = ["utf-16"]
    elif data.count(0) > len(data) // 4:  # Latin letters in UTF-16 have a zero byte each
        candidates = ["utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"]
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return normalize("NFC", text), encoding  # macOS writes é as two signs, and a name is then another
    raise SpeechFileError(f"{name} is neither UTF-8, UTF-16 nor Windows-1252 text; save it as UTF-8")


def parse(text: str, suffix: str, name: str = "file") -> tuple[Cue, ...]:
    """Cues of a file's text. ``suffix`` chooses the reader: .csv .tsv .json, all else goes to pysubs2."""
    if suffix in (".csv", ".tsv"):
        cues = _parse_sheet(text, name)
    elif suffix == ".json":
        cues = _parse_whisperx(text, name)
    else:
        cues = _parse_subtitles(text, name)
    if not cues:
        raise SpeechFileError(f"{name} holds no timed text")
    return tuple(sorted(_without_names(cues), key=lambda cue: cue.segment))


def _parse_subtitles(text: str, name: str) -> list[Cue]:
    import pysubs2

    try:
        file = pysubs2.SSAFile.from_string(_VOICE_TAG.sub("\x02\\1\x03", text))
    except (pysubs2.exceptions.Pysubs2Error, ValueError) as error:
        raise SpeechFileError(f"{name} is not a subtitle file that can be read: {error}") from error
    cues = []
    for number, event in enumerate((e for e in file if not e.is_comment), 1):
        if event.end < event.start or event.start < 0:
            raise SpeechFileError(
                f"{name}, cue {number}: it runs from {event.start / 1000:.3f} s to {event.end / 1000:.3f} s; times must "
                "not be negative, nor end before they start"
            )
        raw = event.text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
        voice = _VOICE.search(raw)
        speaker = event.name.strip() or (voice[1].strip() if voice else "")
        plain = "\n".join(" ".join(line.split()) for line in _TAG.sub("", _VOICE.sub("", raw)).split("\n")).strip()
        if plain:
            cues.append(Cue(number, Segment(event.start / 1000, event.end / 1000), plain, speaker or None))
    return cues


def _parse_sheet(text: str, name: str) -> list[Cue]:
    lines = io.StringIO(text, newline=None)  # also those of Excel's "CSV (Macintosh)", which end with a carriage return
    delimiter = max("\t;,", key=lines.readline().count)  # spreadsheets write ';' where ',' is the decimal sign
    lines.seek(0)
    rows = csv.DictReader(lines, delimiter=delimiter)
    columns = {(column or "").strip().lower(): column for column in rows.fieldnames or ()}
    missing = [column for column in ("start", "end") if column not in columns]
    if missing or not {"target", "source"} & set(columns):
        raise SpeechFileError(
            f"{name} is not a translator's sheet: its columns are {', '.join(columns) or 'none'}, expected {', '.join(SHEET)}"
        )
    cues = []
    for number, row in enumerate(rows, 2):
        values = {key: (row.get(column) or "").strip() for key, column in columns.items()}
        if not any(values.values()):
            continue
        try:
            start, end = (float(values[key].replace(",", ".")) for key in ("start", "end"))
            if not 0 <= start <= end:
                raise ValueError
        except ValueError as error:
            raise SpeechFileError(
                f"{name}, row {number}: start '{values['start']}' and end '{values['end']}' must be seconds, in order"
            ) from error
        cues.append(
            Cue(
                number - 1,
                Segment(start, end),
                values.get("target", ""),
                values.get("speaker") or None,
                values.get("line") or None,
                values.get("source", ""),
            )
        )
    return cues


def _parse_whisperx(text: str, name: str) -> list[Cue]:
    cues = []
    try:
        for number, segment in enumerate(json.loads(text)["segments"], 1):
            span = Segment(float(segment["start"]), float(segment["end"]))
            if span.start < 0:
                raise ValueError(f"segment {number} starts at {span.start}")
            words = place_words(segment.get("words", ()), span.start, span.end)
            cues.append(Cue(number, span, segment["text"].strip(), segment.get("speaker"), words=words))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpeechFileError(
            f"{name} is not a transcript as whisperX writes it (segments with start, end, text): {error!r}"
        ) from error
    return [cue for cue in cues if cue.text]


def place_words(words: Sequence[Mapping[str, Any]], start: float, end: float) -> tuple[Word, ...]:
    """whisperX's words in ``[start, end)``. A word it could not align (a number) takes the place between its neighbours."""
    placed, now = [], start
    for i, word in enumerate(words):
        following = next((w["start"] for w in words[i:] if "start" in w), end)
        begin = max(now, float(word.get("start", now)))
        now = max(begin, float(word.get("end", following)))
        placed.append(
            Word(Segment(begin, now), word["word"].strip(), float(word.get("score", 0.0)), word.get("speaker"))
        )
    return tuple(placed)


def _without_names(cues: list[Cue]) -> list[Cue]:
    """Moves "name: text" into the speaker, where the file has that habit: the prefix recurs, or most cues have one."""
    prefixes = [match[1] for cue in cues if (match := _NAME.match(cue.text))]
    habit = {name for name, count in Counter(prefixes).items() if count > 1 or 2 * len(prefixes) > len(cues)}
    moved = []
    for cue in cues:
        match = _NAME.match(cue.text)
        if match and match[1] in habit and "\n-" not in cue.text:
            cue = replace(cue, text=cue.text[match.end() :].strip(), speaker=cue.speaker or match[1])
        moved.append(cue)
    return moved
