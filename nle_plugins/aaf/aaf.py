"""AAF through OpenTimelineIO's adapter, best effort: the dub's tracks are written alone, to be laid over the original sequence.

The adapter loses retimes and markers, so a whole timeline is refused where it has retimes, and markers are reported as lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from dubkit.files import replacing
from dubkit.nle.otio import from_otio, single_timeline, to_otio
from dubkit.nle.timeline import Timeline, TimelineError


def read(path: Path, *, rate: Fraction | None = None) -> Timeline:
    """Reads the top-level composition. ``rate`` overrides the document's. Raises TimelineError."""
    try:
        document = otio.adapters.read_from_file(str(path), adapter_name="AAF")
    except Exception as error:  # the adapter raises whatever its own steps raise
        raise TimelineError(f"{path.name} cannot be read as AAF: {error}") from error
    return from_otio(single_timeline(document, path.name), path.parent, rate)


def write(timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
    """Writes what dubkit added, or the whole timeline where it added nothing. Raises TimelineError."""
    added = tuple(track for track in timeline.tracks if track.added)
    losses = []
    if added:
        losses.append("the clips of the edit itself: lay these tracks over the original sequence")
    if timeline.markers:
        losses.append(f"{len(timeline.markers)} markers")
    wanted = replace(timeline, tracks=added or timeline.tracks, markers=())
    for _, clip in wanted.clips():
        if clip.speed != 1 or clip.media is None or clip.facts is None:
            raise TimelineError(
                f"'{clip.name}' cannot be written to AAF: it is retimed, or its media's length is not known; use .otio"
            )
    document = to_otio(wanted, as_url=True)
    for clip in document.find_clips():
        clip.markers.clear()
    with replacing(path) as temporary:
        try:
            otio.adapters.write_to_file(document, str(temporary), adapter_name="AAF", use_empty_mob_ids=True)
        except Exception as error:
            raise TimelineError(f"this timeline cannot be written to AAF: {error}; use .otio") from error
    return losses
