"""FCPXML into the neutral timeline."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.nle.paths import media_path
from dubkit.nle.timeline import OURS, PLAIN, Clip, Marker, MediaFacts, Timeline, TimelineError, Track
from dubkit.nle.uses import GENERATOR
from dubkit.timing import exact_rate
from dubkit.types import FrameRange

TIMED = {
    "asset-clip",
    "clip",
    "video",
    "audio",
    "gap",
    "title",
    "ref-clip",
    "sync-clip",
    "mc-clip",
    "audition",
    "spine",
    "caption",
}
NESTED = {
    "ref-clip": "compound clip",
    "sync-clip": "synchronized clip",
    "mc-clip": "multicam clip",
    "audition": "audition",
}


def parse(path: Path) -> ET.Element:
    """The root element. Raises TimelineError."""
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise TimelineError(f"{path.name} cannot be read as FCPXML: {error}") from error
    if root.tag != "fcpxml":
        raise TimelineError(f"{path.name} is not FCPXML: its root element is <{root.tag}>")
    return root


def only_sequence(root: ET.Element) -> ET.Element:
    found = [sequence for project in root.iter("project") for sequence in project.findall("sequence")]
    if len(found) != 1:
        raise TimelineError(f"the FCPXML holds {len(found)} projects; export the one to dub by itself")
    return found[0]


def time(text: str | None) -> Fraction:
    """'1001/24000s', '3600s', '0s' → seconds."""
    try:
        return Fraction((text or "0s").rstrip("s"))
    except (ValueError, ZeroDivisionError) as error:
        raise TimelineError(f"'{text}' is not a time of FCPXML") from error


def storyline_zero(sequence: ET.Element) -> Fraction:
    """What the storyline's own time calls the first frame: ``tcStart``, but some programs write offsets from 0."""
    start = time(sequence.get("tcStart"))
    offsets = [time(e.get("offset")) for e in sequence.iterfind("spine/*") if e.get("offset")]
    return start if not offsets or min(offsets) >= start else Fraction(0)


def is_ours(element: ET.Element) -> bool:
    return element.tag in ("asset-clip", "marker") and (element.get("name") or element.get("value") or "").startswith(
        OURS
    )


def read_document(root: ET.Element, folder: Path) -> Timeline:
    """The one project of a document. Raises TimelineError."""
    sequence = only_sequence(root)
    reader = _Reader(root, sequence, folder)
    spine = sequence.find("spine")
    if spine is None:
        raise TimelineError("the FCPXML project has no storyline")
    reader.storyline(spine, Fraction(0), storyline_zero(sequence), 0)
    project = next(p for p in root.iter("project") if sequence in list(p))
    tracks = [Track("video", f"lane {lane}", _in_order(clips)) for lane, clips in sorted(reader.video.items())]
    tracks += [Track("audio", f"lane {lane}", _in_order(clips)) for lane, clips in sorted(reader.audio.items())]
    return Timeline(
        project.get("name") or "project",
        reader.rate,
        tuple(tracks),
        round(reader.start * reader.rate),
        sequence.get("tcFormat") == "DF",
        tuple(reader.markers),
    )


def _in_order(clips: list[Clip]) -> tuple[Clip, ...]:
    return tuple(sorted(clips, key=lambda clip: clip.record))


class _Reader:
    def __init__(self, root: ET.Element, sequence: ET.Element, folder: Path):
        self.folder = folder
        self.assets = {asset.get("id"): asset for asset in root.iter("asset")}
        self.formats = {f.get("id"): f for f in root.iter("format")}
        frame = self._frame(sequence.get("format"))
        if not frame:
            raise TimelineError("the FCPXML sequence does not say its frame duration")
        self.rate = exact_rate(1 / frame)
        self.start = time(sequence.get("tcStart"))
        self.video: dict[int, list[Clip]] = defaultdict(list)
        self.audio: dict[int, list[Clip]] = defaultdict(list)
        self.markers: list[Marker] = []

    def _frame(self, name: str | None) -> Fraction | None:
        found = self.formats.get(name)
        return time(found.get("frameDuration")) if found is not None and found.get("frameDuration") else None

    def storyline(self, spine: ET.Element, at: Fraction, zero: Fraction, lane: int) -> None:
        """``at``: where the storyline begins, seconds from the timeline's start; ``zero``: what its own time calls that."""
        position = at
        for element in spine:
            if element.tag not in TIMED:
                continue  # transitions lie over the cut
            begin = at + time(element.get("offset")) - zero if element.get("offset") else position
            self.element(element, begin, lane)
            position = begin + self._length(element)

    def element(self, element: ET.Element, at: Fraction, lane: int) -> None:
        """One clip, and what is connected to it."""
        start = self._start(element)
        if element.tag != "gap" and element.tag != "caption":
            self._clip(element, at, start, lane)
        for child in element:
            if child.tag == "marker":
                begin = self._frames(at + time(child.get("start")) - start)
                named = child.get("value") or ""
                self.markers.append(
                    Marker(FrameRange(begin, begin + 1), named, child.get("note") or "", added=is_ours(child))
                )
            if child.tag not in TIMED or (element.tag == "clip" and not child.get("lane")):
                continue  # what a <clip> is made of
            if element.tag in NESTED and not child.get("lane"):
                continue
            begin = at + time(child.get("offset")) - start
            if child.tag == "spine":
                self.storyline(child, begin, Fraction(0), int(child.get("lane") or lane))
            else:
                self.element(child, begin, int(child.get("lane") or lane))

    def _start(self, element: ET.Element) -> Fraction:
        if element.get("start"):
            return time(element.get("start"))
        asset = self.assets.get(element.get("ref"))
        return time(asset.get("start")) if asset is not None else Fraction(0)

    def _length(self, element: ET.Element) -> Fraction:
        if element.get("duration"):
            return time(element.get("duration"))
        asset = self.assets.get(element.get("ref"))
        return time(asset.get("duration")) if asset is not None else Fraction(0)

    def _frames(self, seconds: Fraction) -> int:
        return round(seconds * self.rate)

    def _clip(self, element: ET.Element, at: Fraction, start: Fraction, lane: int) -> None:
        record = FrameRange(self._frames(at), self._frames(at + self._length(element)))
        if not len(record) or is_ours(element):
            return  # what an earlier run placed is written anew
        name, enabled = element.get("name") or "", element.get("enabled") != "0"
        if element.tag == "title":
            self.video[lane].append(Clip(name, record, None, enabled=enabled, without_media=GENERATOR))
            return
        if element.tag in NESTED:
            self.video[lane].append(Clip(name, record, None, enabled=enabled, without_media=NESTED[element.tag]))
            return
        inner = element
        if element.tag == "clip":  # a container round one video or audio element
            inner = next((c for c in element if c.tag in ("video", "audio") and not c.get("lane")), element)
        asset = self.assets.get(inner.get("ref"))
        if asset is None:
            generator = inner.tag == "video"  # refers to an <effect>: a generator
            self.video[lane].append(
                Clip(
                    name,
                    record,
                    None,
                    enabled=enabled,
                    without_media=GENERATOR if generator else "clip without an asset",
                )
            )
            return
        if inner is not element:
            start = self._start(inner) + start - time(inner.get("offset"))
        origin = time(asset.get("start"))
        begin, speed = self._retimed(element, start, record)
        clip = Clip(
            name,
            record,
            self._path(asset),
            begin - origin,
            speed,
            enabled,
            media_start=origin,
            facts=self._facts(asset),
        )
        has_sound = asset.get("hasAudio") == "1" and element.get("srcEnable") != "video"
        if asset.get("hasVideo") == "1" and inner.tag != "audio" and element.get("srcEnable") != "audio":
            self.video[lane].append(clip)
        if has_sound or inner.tag == "audio":
            self.audio[lane].append(clip)

    def _retimed(self, element: ET.Element, start: Fraction, record: FrameRange) -> tuple[Fraction, Fraction | None]:
        """Where in the media the clip begins, and its speed; None where that changes."""
        speed = PLAIN
        conform = element.find("conform-rate")
        if conform is not None and conform.get("scaleEnabled", "1") == "1" and conform.get("srcFrameRate"):
            speed = self.rate / exact_rate(conform.get("srcFrameRate"))
        points = [(time(p.get("time")), time(p.get("value"))) for p in element.findall("timeMap/timept")]
        if not points:
            return start, speed
        slopes = {(v1 - v0) / (t1 - t0) for (t0, v0), (t1, v1) in zip(points, points[1:], strict=False) if t1 != t0}
        if len(slopes) != 1:
            return start, None
        [slope] = slopes
        t0, v0 = points[0]
        return v0 + (start - t0) * slope, slope * speed

    def _path(self, asset: ET.Element) -> Path:
        representation = asset.find("media-rep")
        url = asset.get("src") or (representation.get("src") if representation is not None else None)
        if not url:
            raise TimelineError(f"the asset '{asset.get('name')}' does not say where its file is")
        return media_path(url, self.folder)

    def _facts(self, asset: ET.Element) -> MediaFacts | None:
        frame = self._frame(asset.get("format"))
        if not frame:
            return None
        form, rate = self.formats[asset.get("format")], exact_rate(1 / frame)
        channels = int(asset.get("audioChannels") or 0) if asset.get("hasAudio") == "1" else 0
        frames = round(time(asset.get("duration")) * rate)
        return MediaFacts(rate, frames, int(form.get("width") or 0), int(form.get("height") or 0), channels)
