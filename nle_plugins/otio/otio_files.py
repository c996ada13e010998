"""OpenTimelineIO files: the interchange dubkit is built on. Nothing of the original document is lost.

``.otioz`` and ``.otiod`` bundles are read in place of their ``content.otio``; results are written as ``.otio``, since a bundle would copy
all media.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from dubkit.files import replacing
from dubkit.nle.otio import add_dub, from_otio, single_timeline, to_otio
from dubkit.nle.timeline import Timeline, TimelineError


def read(path: Path, *, rate: Fraction | None = None) -> Timeline:
    """Reads a file. ``rate`` overrides the document's. Raises TimelineError."""
    return from_otio(_document(path), path.parent, rate)


def write(timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
    """Writes ``.otio``; with ``like``, the document of that file plus dubkit's tracks."""
    if path.suffix.lower() != ".otio":
        raise TimelineError(f"dubkit writes .otio, not {path.suffix}: a bundle would copy all media")
    document = add_dub(_document(like), timeline) if like else to_otio(timeline)
    with replacing(path) as temporary:
        otio.adapters.write_to_file(document, str(temporary), adapter_name="otio_json")
    return ()


def _document(path: Path) -> otio.schema.Timeline:
    try:
        document = otio.adapters.read_from_file(str(path))
    except (otio.exceptions.OTIOError, ValueError, OSError, RuntimeError) as error:
        raise TimelineError(f"{path.name} cannot be read as OpenTimelineIO: {error}") from error
    return single_timeline(document, path.name)
