"""Names of tags as ffmpeg writes them: colour code points of ITU-T H.273, and stream metadata."""

from __future__ import annotations

from collections.abc import Mapping

UNKNOWN = "unknown"
MATRIX = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
          10: "bt2020c", 14: "ictcp"}  # fmt: skip
UNUSUAL_MATRIX = ("ycgco", "bt2020c", "ictcp")
RANGE = {1: "tv", 2: "pc"}
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
             10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
TRANSFER = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
            10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
            16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip


def name(table: Mapping[int, str], code: int) -> str:
    """ffmpeg's name of a code point, or "unknown"."""
    return table.get(int(code), UNKNOWN)


def get(metadata: Mapping[str, str], key: str) -> str | None:
    """A metadata value by its name in any case (Matroska shouts); None where absent or empty."""
    return next((value for found, value in metadata.items() if found.lower() == key and value.strip()), None)


def language(metadata: Mapping[str, str]) -> str | None:
    """A stream's language, None where it says that it has none."""
    found = get(metadata, "language")
    return None if found in (None, "und", "unk") else found


def title(metadata: Mapping[str, str]) -> str | None:
    """A stream's title; in MP4 and MOV the handler's name, unless it is one that every file has."""
    handler = get(metadata, "handler_name")
    return get(metadata, "title") or (
        None if handler is None or handler.endswith("Handler") or "Media" in handler else handler
    )
