"""Subtitles and translator's sheets of a dialogue (through pysubs2): out as SRT, VTT, ASS, CSV, TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dubkit.errors import SpeechFileError
from dubkit.files import atomic_write
from dubkit.types import Line

SHEET = ("line", "speaker", "start", "end", "source", "target")  # columns of the translator's sheet


def save(path: Path, lines: Sequence[Line]) -> Path:
    """Writes the lines as subtitles in the format of the suffix: .srt, .vtt or .ass."""
    import pysubs2

    file = pysubs2.SSAFile()
    for line in lines:
        if line.text:
            file.append(
                pysubs2.SSAEvent(
                    start=round(line.segment.start * 1000), end=round(line.segment.end * 1000),
                    text=f"{line.speaker}: {line.text}", name=line.speaker,
                )
            )  # fmt: skip
    try:
        text = file.to_string(path.suffix.lower().lstrip("."))
    except pysubs2.exceptions.UnknownFormatIdentifierError as error:
        raise SpeechFileError(f"'{path.suffix}' is not a subtitle format; use .srt, .vtt or .ass") from error
    atomic_write(path, text.encode())
    return path


def save_sheet(path: Path, lines: Sequence[Line]) -> Path:
    """Writes the translator's sheet: one row a line, the last column empty. .tsv is tab-separated, all else CSV."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", lineterminator="\r\n")
    writer.writerow(SHEET)
    for line in lines:
        writer.writerow(
            (
                line.id,
                line.speaker,
                f"{line.segment.start:.3f}",
                f"{line.segment.end:.3f}",
                line.text,
                line.translation or "",
            )
        )
    atomic_write(path, ("\ufeff" + buffer.getvalue()).encode())  # the mark tells spreadsheets that it is UTF-8
    return path
