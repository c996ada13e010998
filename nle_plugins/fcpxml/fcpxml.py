"""Final Cut Pro XML. Written and read by dubkit itself: times are rational numbers of seconds, so NTSC rates are exact.

A storyline (``spine``) holds clips one after another; what lies above is *connected* to them on lanes. An element's ``offset`` is
where it lies in its parent's own time, ``start`` is where its own time begins. dubkit's clips are connected on a lane above all others,
picture and sound in one, as Final Cut does it. Source: Apple, "FCPXML Reference", developer.apple.com.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.files import replacing
from dubkit.nle.timeline import Timeline, TimelineError

from .reading import is_ours, only_sequence, parse, read_document
from .writing import Resources, connect, new_document

__all__ = ["read", "write"]


def read(path: Path, *, rate: Fraction | None = None) -> Timeline:
    """Reads ``.fcpxml``, or the ``Info.fcpxml`` in a ``.fcpxmld`` bundle. ``rate`` is not needed. Raises TimelineError."""
    return read_document(parse(_inner(path)), path.parent)


def write(timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
    """Writes FCPXML 1.10, or the document of ``like`` with dubkit's clips connected and its version kept."""
    if path.suffix.lower() != ".fcpxml":
        raise TimelineError("dubkit writes .fcpxml, not a bundle")
    losses = []
    if like is None:
        root = new_document(timeline, losses)
    else:
        root = parse(_inner(like))
        sequence = only_sequence(root)
        for parent in list(sequence.iter()):
            for child in [c for c in parent if is_ours(c)]:
                parent.remove(child)
        connect(sequence, timeline, Resources(root))
    ET.indent(root)
    with replacing(path) as temporary:
        text = ET.tostring(root, encoding="unicode")
        temporary.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n', "utf-8")
    return losses


def _inner(path: Path) -> Path:
    return path / "Info.fcpxml" if path.is_dir() else path
