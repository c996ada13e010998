"""Kdenlive projects, read and written by dubkit itself, and checked by rendering them with MLT, the engine inside Kdenlive.

With ``like`` the result is the editor's own project plus a video track on top, an audio track below, the dubbed files in the bin, and guides.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.files import atomic_write
from dubkit.nle.timeline import Timeline

from .document import parse
from .reading import read_project
from .writing import add_dub, new_project


def read(path: Path, *, rate: Fraction | None = None) -> Timeline:
    """Reads the active sequence. ``rate`` is not needed. Raises TimelineError."""
    return read_project(parse(path), path)


def write(timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
    """Writes a new project, or that of ``like`` with dubkit's tracks. Media are named by absolute paths."""
    losses: list[str] = []
    if like is None:
        root = new_project(timeline, losses)
    else:
        root = parse(like)
        if not root.get("root"):  # relative paths of the original keep their meaning in another folder
            root.set("root", like.resolve().parent.as_posix())
        add_dub(root, timeline, like.name, losses)
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode")
    atomic_write(path, f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode())
    return losses
