"""Shots made by hand or by another tool: JSON, PySceneDetect's CSV, or an EDL (CMX 3600)."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from dubkit.errors import InputError
from dubkit.timing import Timecode
from dubkit.types import FrameRange, Media, Shot


def load_shots(path: str | Path, media: Media) -> tuple[Shot, ...]:
    """Reads a shot list; the suffix (.json, .csv, .edl) says which kind. Raises InputError."""
    path = Path(path)
    parse = {".json": parse_json, ".csv": parse_csv, ".edl": parse_edl}.get(path.suffix.lower())
    if parse is None:
        raise InputError(f"'{path}' is not a shot list: its name must end in .json, .csv or .edl")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the shot list '{path}' cannot be read: {error}") from error
    try:
        starts = parse(text, media)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise InputError(f"the shot list '{path}' does not say where shots begin: {error!r}") from error
    return shots_from_starts(starts, media.video.num_frames)


def shots_from_starts(starts: list[int], num_frames: int) -> tuple[Shot, ...]:
    """Shots that cover the film, from the frames at which they begin. Raises InputError where one is outside."""
    outside = [start for start in starts if not 0 <= start < num_frames]
    if outside:
        raise InputError(f"the shot list names frame {outside[0]}, but the film has the frames 0 to {num_frames - 1}")
    edges = sorted({0, *starts})
    stops = [*edges[1:], num_frames]
    return tuple(
        Shot(i, FrameRange(a, b), "start" if a == 0 else "cut")
        for i, (a, b) in enumerate(zip(edges, stops, strict=True))
    )


def parse_json(text: str, media: Media) -> list[int]:
    """``[0, 125, …]``, ``[[0, 125], …]``, ``[{"frames": [0, 125]}, …]``, or any of them under "shots". First frames."""
    data = json.loads(text)
    rows = data["shots"] if isinstance(data, dict) else data
    return [_first_frame(row) for row in rows]


def _first_frame(row) -> int:
    if isinstance(row, dict):
        row = row["frames"] if "frames" in row else row["start"]
    if isinstance(row, dict):
        row = row["start"]
    return int(row[0] if isinstance(row, list) else row)


def parse_csv(text: str, media: Media) -> list[int]:
    """PySceneDetect's list-scenes file (its frames count from 1), or a table with a column ``start`` (from 0)."""
    lines = text.splitlines()
    heads = (i for i, line in enumerate(lines) if "start" in line.lower() and not line.startswith("Timecode List"))
    if (header := next(heads, None)) is None:
        raise ValueError("no column 'Start Frame' or 'start'")
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[header:]))))
    if rows and "Start Frame" in rows[0]:
        return [int(row["Start Frame"]) - 1 for row in rows]
    return [int(row["start"]) for row in rows]


def parse_edl(text: str, media: Media) -> list[int]:
    """Record-in times of the video events, counted from the film's start timecode, or from the first event."""
    rate = media.video.rate
    event = re.compile(
        r"^\d+\s+\S+\s+(?:V|B|AA/V|V\d*)\S*\s+\S+(?:\s+\d+)?\s+" + r"(\d\d:\d\d:\d\d[:;.]\d\d)\s+" * 3, re.M
    )
    found = [Timecode.parse(match[3], rate).frame for match in event.finditer(text + "\n")]
    if not found:
        raise ValueError("no video events found")
    zero = Timecode.parse(media.timecode, rate).frame if media.timecode else min(found)
    return [frame - zero for frame in found]
