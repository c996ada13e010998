"""The neutral timeline into FCPXML 1.10: a new document, or dubkit's clips connected in one that exists."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.nle.timeline import Clip, Marker, MediaFacts, Timeline, TimelineError
from dubkit.nle.uses import GENERATOR
from dubkit.types import FrameRange

from .reading import TIMED, storyline_zero, time

BEFORE_CONNECTED = {"note", "conform-rate", "timeMap"}  # and adjust-*; Apple's DTD fixes the order of children
AFTER_MARKERS = {"audio-channel-source", "audio-role-source", "filter-video", "filter-video-mask", "filter-audio", "metadata",
                 "sync-source", "mc-source"}  # fmt: skip
MARKERS = {"marker", "chapter-marker", "rating", "keyword", "analysis-marker"}


def text(seconds: Fraction) -> str:
    """Seconds as FCPXML writes them: 1001/24000s, 3600s."""
    return f"{seconds.numerator}s" if seconds.denominator == 1 else f"{seconds.numerator}/{seconds.denominator}s"


class Resources:
    """The ``resources`` of a document; formats and assets are added once each."""

    def __init__(self, root: ET.Element):
        self.element = root.find("resources")
        if self.element is None:
            self.element = ET.Element("resources")
            root.insert(0, self.element)
        self.taken = {child.get("id") for child in self.element}
        self.named: dict[tuple[object, ...], str] = {}

    @property
    def assets(self) -> dict[str | None, ET.Element]:
        return {asset.get("id"): asset for asset in self.element.iter("asset")}

    def _new_id(self) -> str:
        number = len(self.taken) + 1
        while f"r{number}" in self.taken:
            number += 1
        self.taken.add(f"r{number}")
        return f"r{number}"

    def format(self, rate: Fraction, width: int, height: int) -> str:
        key = ("format", rate, width, height)
        if key not in self.named:
            self.named[key] = self._new_id()
            sizes = {"width": str(width), "height": str(height)} if width and height else {}
            ET.SubElement(self.element, "format", {"id": self.named[key], "frameDuration": text(1 / rate), **sizes})
        return self.named[key]

    def asset(self, path: Path, facts: MediaFacts, start: Fraction, *, video: bool = True) -> str:
        key = ("asset", path, video)
        if key not in self.named:
            self.named[key] = self._new_id()
            attributes = {
                "id": self.named[key],
                "name": path.stem,
                "start": text(start),
                "duration": text(facts.frames / facts.rate),
            }
            if video:
                attributes |= {
                    "hasVideo": "1",
                    "videoSources": "1",
                    "format": self.format(facts.rate, facts.width, facts.height),
                }
            if facts.channels or not video:
                attributes |= {"hasAudio": "1", "audioSources": "1", "audioChannels": str(facts.channels or 2)}
                attributes["audioRate"] = str(facts.sample_rate)
            asset = ET.SubElement(self.element, "asset", attributes)
            ET.SubElement(asset, "media-rep", {"kind": "original-media", "src": path.as_uri()})
        return self.named[key]


def connect(sequence: ET.Element, timeline: Timeline, resources: Resources) -> None:
    """Connects what dubkit adds to the clips of the storyline it lies over, on a lane above all. Raises TimelineError."""
    anchors = _anchors(sequence, resources)
    lane = max([int(e.get("lane") or 0) for e in sequence.iter() if e.tag in TIMED] + [0]) + 1
    for track in timeline.of_kind("video"):
        for clip in track.clips if track.added else ():
            parent, at, start = _anchor(anchors, clip.record.start, timeline)
            offset = start + timeline.seconds(clip.record.start) - at
            _insert(parent, _asset_clip(clip, timeline, resources, offset, lane))
    for marker in timeline.markers:
        if marker.added:
            parent, at, start = _anchor(anchors, marker.record.start, timeline)
            _insert(parent, _marker(marker, start + timeline.seconds(marker.record.start) - at, timeline))


def _anchors(sequence: ET.Element, resources: Resources) -> list[tuple[ET.Element, Fraction, Fraction, Fraction]]:
    """Elements of the storyline: (element, where it begins, its length, its own start), seconds from the timeline's start."""
    spine, found, position = sequence.find("spine"), [], Fraction(0)
    zero = storyline_zero(sequence)
    for element in spine:
        if element.tag in TIMED:
            asset = resources.assets.get(
                element.get("ref"), element
            )  # an element that does not say has its asset's times
            begin = time(element.get("offset")) - zero if element.get("offset") else position
            length = time(element.get("duration") or asset.get("duration"))
            found.append((element, begin, length, time(element.get("start") or asset.get("start"))))
            position = begin + length
    return found


def _anchor(anchors, frame: int, timeline: Timeline) -> tuple[ET.Element, Fraction, Fraction]:
    seconds = timeline.seconds(frame)
    for element, begin, length, start in anchors:
        if begin <= seconds < begin + length:
            return element, begin, start
    if anchors:  # beyond the storyline: connected to its last element
        element, begin, _, start = anchors[-1]
        return element, begin, start
    raise TimelineError("the FCPXML storyline is empty; nothing can be connected to it")


def _insert(parent: ET.Element, child: ET.Element) -> None:
    """At the place that Apple's DTD gives to this kind of child."""
    late = AFTER_MARKERS if child.tag in MARKERS else AFTER_MARKERS | MARKERS
    place = next((i for i, other in enumerate(parent) if other.tag in late), len(parent))
    parent.insert(place, child)


def _asset_clip(
    clip: Clip, timeline: Timeline, resources: Resources, offset: Fraction, lane: int | None, *, audio: bool = False
) -> ET.Element:
    facts = clip.facts or MediaFacts(
        timeline.rate, round(abs(timeline.source_end(clip)) * timeline.rate) + 1, channels=2 if audio else 0
    )
    attributes = {
        "ref": resources.asset(clip.media, facts, clip.media_start, video=not audio),
        "name": clip.name,
        "offset": text(offset),
        "start": text(clip.media_start + clip.source_start),
        "duration": text(len(clip.record) / timeline.rate),
        "tcFormat": "DF" if timeline.drop else "NDF",
    }
    if lane:
        attributes["lane"] = str(lane)
    if not clip.enabled:
        attributes["enabled"] = "0"
    if facts.channels or audio:
        attributes["audioRole"] = "dialogue"
    element = ET.Element("asset-clip", attributes)
    if clip.speed not in (1, None):
        _retime(element, clip, timeline)
    return element


def _retime(element: ET.Element, clip: Clip, timeline: Timeline) -> None:
    """A constant speed is a line from time to value; the clip's own time then starts at 0."""
    length = len(clip.record) / timeline.rate
    first = clip.media_start + clip.source_start
    element.set("start", "0s")
    line = ET.SubElement(element, "timeMap")
    ET.SubElement(line, "timept", {"time": "0s", "value": text(first), "interp": "linear"})
    ET.SubElement(
        line, "timept", {"time": text(length), "value": text(first + length * clip.speed), "interp": "linear"}
    )


def _marker(marker: Marker, start: Fraction, timeline: Timeline) -> ET.Element:
    attributes = {"start": text(start), "duration": text(1 / timeline.rate), "value": marker.name}
    if marker.note:
        attributes["note"] = marker.note
    return ET.Element("marker", attributes)


def new_document(timeline: Timeline, losses: list[str]) -> ET.Element:
    """A whole document: the lowest video track is the storyline, the others are connected above, audio tracks below."""
    root = ET.Element("fcpxml", {"version": "1.10"})
    resources = Resources(root)
    library = ET.SubElement(root, "library")
    event = ET.SubElement(library, "event", {"name": "dubkit"})
    project = ET.SubElement(event, "project", {"name": timeline.name})
    sizes = [c.facts for _, c in timeline.clips() if c.facts and c.facts.width]
    width, height = (sizes[0].width, sizes[0].height) if sizes else (1920, 1080)
    start = timeline.start / timeline.rate
    sequence = ET.SubElement(project, "sequence", {
        "format": resources.format(timeline.rate, width, height), "tcStart": text(start),
        "tcFormat": "DF" if timeline.drop else "NDF", "duration": text(timeline.seconds(timeline.duration)), "audioRate": "48k",
    })  # fmt: skip
    spine = ET.SubElement(sequence, "spine")
    video = timeline.of_kind("video")
    main = video[0] if video and not video[0].added else None
    position = 0
    for clip in [*(main.clips if main else ()), None]:
        until = clip.record.start if clip else timeline.duration
        if until > position:
            _gap(spine, timeline, FrameRange(position, until), start)
        if clip:
            _place(spine, clip, timeline, resources, start + timeline.seconds(clip.record.start), None, losses, start)
            position = clip.record.stop
    anchors = _anchors(sequence, resources)
    others = [(lane, track) for lane, track in enumerate((t for t in video if t is not main), start=1)]
    others += [
        (-lane, track) for lane, track in enumerate((t for t in timeline.of_kind("audio") if not t.added), start=1)
    ]
    for lane, track in others:
        for clip in track.clips:
            parent, at, begin = _anchor(anchors, clip.record.start, timeline)
            offset = begin + timeline.seconds(clip.record.start) - at
            _place(parent, clip, timeline, resources, offset, lane, losses, start, audio=track.kind == "audio")
    for marker in timeline.markers:
        parent, at, begin = _anchor(anchors, marker.record.start, timeline)
        _insert(parent, _marker(marker, begin + timeline.seconds(marker.record.start) - at, timeline))
    return root


def _gap(spine: ET.Element, timeline: Timeline, record: FrameRange, start: Fraction) -> None:
    ET.SubElement(spine, "gap", {
        "name": "Gap", "offset": text(start + timeline.seconds(record.start)), "start": "3600s",
        "duration": text(len(record) / timeline.rate),
    })  # fmt: skip


def _place(
    parent, clip: Clip, timeline, resources, offset: Fraction, lane: int | None, losses, start, *, audio: bool = False
) -> None:
    if clip.media is None or clip.speed is None or clip.speed <= 0:
        what = (
            "a generator"
            if clip.without_media == GENERATOR
            else clip.without_media or "a speed that is not constant and forward"
        )
        losses.append(f"'{clip.name}' at {timeline.timecode(clip.record.start)} ({what}) became a gap")
        if lane is None:
            _gap(parent, timeline, clip.record, start)
        return
    child = _asset_clip(clip, timeline, resources, offset, lane, audio=audio)
    parent.append(child) if lane is None else _insert(parent, child)
