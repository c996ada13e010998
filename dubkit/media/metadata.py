"""Descriptive metadata and chapters of a film as ffmpeg's metadata file (ffmpeg-formats, section Metadata)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from dubkit.media import tags
from dubkit.media.packets import open_media
from dubkit.types import Media

# What describes the work; technical tags (encoder, brands, dates of files) describe a file that is no more.
_KEPT = (
    "title", "artist", "album", "album_artist", "composer", "date", "comment", "genre", "copyright", "description",
    "synopsis", "show", "episode_id", "season_number", "episode_sort", "network", "keywords", "rating",
)  # fmt: skip


def write_metadata(path: Path, media: Media, added: Mapping[str, str]) -> None:
    """Writes the source's tags (``added`` wins) and its chapters, moved to project zero, to ``path``."""
    with open_media(media.path) as container:
        kept = {key: value for key in _KEPT if (value := tags.get(container.metadata, key))}
        lines = [";FFMETADATA1", *(f"{_escaped(k)}={_escaped(v)}" for k, v in (kept | dict(added)).items())]
        zero = Fraction(media.video.start).limit_denominator(1_000_000) if media.video else 0
        for chapter in container.chapters():
            times = [int((chapter[edge] * chapter["time_base"] - zero) * 1_000_000) for edge in ("start", "end")]
            if times[1] <= 0:
                continue
            lines += ["[CHAPTER]", "TIMEBASE=1/1000000", f"START={max(0, times[0])}", f"END={times[1]}"]
            lines += [f"{_escaped(k)}={_escaped(v)}" for k, v in chapter["metadata"].items()]
    path.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "=;#\\\n" else c for c in str(text))
