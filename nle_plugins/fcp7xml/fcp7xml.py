"""Final Cut Pro 7 XML (``xmeml``), through OpenTimelineIO's adapter where that is right.

The adapter drops speeds silently; dubkit finds them in the filters and refuses those clips by name. Results are put into the
original document as tracks of its own, so effects that the adapter does not know stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import opentimelineio as otio

from dubkit.files import replacing
from dubkit.nle.otio import from_otio, single_timeline, to_otio
from dubkit.nle.timeline import Timeline, TimelineError
from dubkit.timing import Timecode, nominal

OURS = "dubkit-"  # begins the id of every clip that dubkit placed
DISPLAY = {True: "DF", False: "NDF"}


def read(path: Path, *, rate: Fraction | None = None) -> Timeline:
    """Reads a document with one sequence. ``rate`` overrides the document's. Raises TimelineError."""
    root = _parse(path)
    sequence = _sequence(root, path.name)
    _remove_ours(sequence)
    try:
        document = otio.adapters.read_from_string(ET.tostring(root, encoding="unicode"), adapter_name="fcp_xml")
    except Exception as error:  # the adapter raises whatever its own steps raise
        raise TimelineError(f"{path.name} cannot be read as Final Cut Pro 7 XML: {error}") from error
    document = single_timeline(document, path.name)
    for clip in document.find_clips():
        _mark_retime(clip)
    drop = sequence.findtext("timecode/displayformat") == "DF"
    timeline = from_otio(document, path.parent, rate)
    return replace(timeline, drop=drop and timeline.rate.denominator == 1001 and nominal(timeline.rate) % 30 == 0)


def write(timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
    """Writes a new document, or that of ``like`` with dubkit's tracks and markers added."""
    only_added = replace(
        timeline,
        tracks=tuple(t for t in timeline.tracks if t.added),
        markers=tuple(m for m in timeline.markers if m.added),
    )
    losses = []
    if like is None:
        losses = [f"the speed of '{c.name}'" for _, c in timeline.clips() if c.speed != 1]
        root = _written(timeline)
    else:
        root = _parse(like)
        sequence = _sequence(root, like.name)
        _remove_ours(sequence)
        new = _sequence(_written(only_added), path.name)
        for kind in ("video", "audio"):
            there = sequence.find(f"media/{kind}")
            if there is None:
                there = ET.SubElement(sequence.find("media"), kind)
            for track in new.findall(f"media/{kind}/track"):
                _rename(track)
                there.append(track)
        sequence.extend(new.findall("marker"))
        length = max([int(sequence.findtext("duration") or 0), timeline.duration])
        if sequence.find("duration") is not None:
            sequence.find("duration").text = str(length)
    _name_start(_sequence(root, path.name), timeline)
    ET.indent(root)
    with replacing(path) as temporary:
        text = ET.tostring(root, encoding="unicode")
        temporary.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n{text}\n', "utf-8")
    return losses


def _parse(path: Path) -> ET.Element:
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise TimelineError(f"{path.name} cannot be read as XML: {error}") from error
    if root.tag != "xmeml":
        raise TimelineError(f"{path.name} is not Final Cut Pro 7 XML: its root element is <{root.tag}>")
    return root


def _sequence(root: ET.Element, name: str) -> ET.Element:
    """The one sequence; those nested in clips are not meant."""
    nested = {inner for clip in root.iter("clipitem") for inner in clip.iter("sequence")}
    found = [sequence for sequence in root.iter("sequence") if sequence not in nested]
    if len(found) != 1 or found[0].find("media") is None:
        raise TimelineError(f"{name} holds {len(found)} sequences with media; export the one to dub by itself")
    return found[0]


def _remove_ours(sequence: ET.Element) -> None:
    for kind in sequence.findall("media/*"):
        for track in kind.findall("track"):
            clips = track.findall("clipitem")
            if clips and all((clip.get("id") or "").startswith(OURS) for clip in clips):
                kind.remove(track)
    for marker in [m for m in sequence.findall("marker") if (m.findtext("name") or "").startswith("Dubkit")]:
        sequence.remove(marker)


def _mark_retime(clip: otio.schema.Clip) -> None:
    """Turns a time remap filter into an effect that says so. Its in point is counted differently by different programs."""
    for effect in list(clip.effects):
        said = str(effect.metadata.get("fcp_xml", {}))
        if "timeremap" in said.casefold() and not isinstance(effect, otio.schema.TimeEffect):
            clip.effects.remove(effect)
            clip.effects.append(otio.schema.TimeEffect(name="Time Remap"))


def _written(timeline: Timeline) -> ET.Element:
    document = to_otio(timeline, as_url=True)
    return ET.fromstring(otio.adapters.write_to_string(document, adapter_name="fcp_xml"))


def _rename(track: ET.Element) -> None:
    """Ids of the added part must not meet those of the document."""
    for element in track.iter():
        if element.get("id"):
            element.set("id", OURS + element.get("id").removeprefix(OURS))
    for link in track.iter("linkclipref"):
        link.text = OURS + (link.text or "")


def _name_start(sequence: ET.Element, timeline: Timeline) -> None:
    """The adapter always says NDF at this place; drop-frame starts get their own name."""
    code = sequence.find("timecode")
    if code is None or not timeline.drop:
        return
    for tag, text in (("string", str(Timecode(timeline.start, timeline.rate, True))), ("displayformat", "DF")):
        element = code.find(tag)
        if element is None:
            element = ET.SubElement(code, tag)
        element.text = text
