"""The neutral timeline into a Kdenlive project: a new one, or dubkit's tracks added to one that exists.

A new project has document version 1.04, which every Kdenlive since 20.08 opens; newer ones bring it up to date. What is added to an
existing project takes that project's own shape.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.nle.timeline import Clip, Timeline, Track

from .document import CLIPS, INTERNAL, Project, is_ours, prop, set_prop

GUIDES = {"PURPLE": 0, "BLUE": 1, "CYAN": 1, "GREEN": 3, "YELLOW": 4, "ORANGE": 5, "RED": 8}  # Kdenlive's categories
ENDLESS = 2147483647  # frames of black
VERSION = "1.04"


def new_project(timeline: Timeline, losses: list[str]) -> ET.Element:
    """A project with everything of the timeline that Kdenlive can hold; the rest goes into ``losses``."""
    root = ET.Element("mlt", {"LC_NUMERIC": "C", "producer": "main_bin", "version": "7.12.0"})
    facts = next((c.facts for _, c in timeline.clips() if c.facts and c.facts.width), None)
    width, height = (facts.width, facts.height) if facts else (1920, 1080)
    shape = Fraction(width, height)
    profile = {
        "description": f"{width}x{height}, {float(timeline.rate):.3f} fps", "width": width, "height": height, "progressive": 1,
        "frame_rate_num": timeline.rate.numerator, "frame_rate_den": timeline.rate.denominator, "sample_aspect_num": 1,
        "sample_aspect_den": 1, "display_aspect_num": shape.numerator, "display_aspect_den": shape.denominator, "colorspace": 709,
    }  # fmt: skip
    ET.SubElement(root, "profile", {key: str(value) for key, value in profile.items()})
    main_bin = ET.SubElement(root, "playlist", {"id": "main_bin"})
    set_prop(main_bin, "kdenlive:docproperties.version", VERSION)
    set_prop(main_bin, "kdenlive:docproperties.audioChannels", 2)
    set_prop(main_bin, "xml_retain", 1)
    black = ET.SubElement(root, "producer", {"id": "black_track", "in": "0", "out": str(max(timeline.duration, 1) - 1)})
    for name, value in (("length", ENDLESS), ("eof", "continue"), ("resource", "black"), ("mlt_service", "color"),
                        ("mlt_image_format", "rgba"), ("set.test_audio", 0)):  # fmt: skip
        set_prop(black, name, value)
    tractor = ET.SubElement(root, "tractor", {"id": "timeline", "in": "0", "out": black.get("out")})
    ET.SubElement(tractor, "track", {"producer": "black_track"})
    writer = Writer(root, timeline, losses)
    for track in reversed(timeline.of_kind("audio")):
        writer.add(track, len(writer.project.tracks()) + 1)
    for track in timeline.of_kind("video"):
        writer.add(track, len(writer.project.tracks()) + 1)
    writer.guides([marker for marker in timeline.markers])
    if timeline.start:
        losses.append(f"the start {timeline.timecode(0)}: a Kdenlive project begins at zero")
    return root


def add_dub(root: ET.Element, timeline: Timeline, name: str, losses: list[str]) -> None:
    """Puts dubkit's tracks into a project: sound below all others, picture on top. Earlier ones of dubkit go."""
    _remove_ours(Project(root, name))
    writer = Writer(root, timeline, losses)
    for track in timeline.tracks:
        if track.added and track.kind == "audio":
            writer.project.renumber(lambda index: index + 1)
            writer.add(track, 1)
    for track in timeline.tracks:
        if track.added and track.kind == "video":
            writer.add(track, len(writer.project.tracks()) + 1)
    writer.pair([track for track in timeline.tracks if track.added])
    writer.guides([marker for marker in timeline.markers if marker.added])
    writer.project.renumber(lambda index: index)  # the counts of tracks


def _remove_ours(project: Project) -> None:
    project_guides = [g for g in project.stored("guides") if not is_ours(str(g.get("comment", "")))]
    project.store("guides", project_guides)
    gone, producers = set(), set()
    for index, (reference, track) in reversed(list(enumerate(project.tracks(), start=1))):
        if not is_ours(prop(track, "kdenlive:track_name")):
            continue
        gone.add(index)
        for playlist, _ in project.playlists(track):
            producers |= {entry.get("producer") for entry in playlist.findall("entry")}
            project.root.remove(playlist)
        project.root.remove(track)
        project.sequence.remove(reference)
    if not gone:
        return
    project.renumber(lambda index: None if index in gone else index - sum(g < index for g in gone))
    numbers = {prop(project.ids[p], "kdenlive:id") for p in producers if p in project.ids}
    used = {e.get("producer") for e in project.root.iter("entry") if e not in list(project.bin)}
    kept = {prop(project.ids[p], "kdenlive:id") for p in used if p in project.ids}
    for entry in project.bin.findall("entry"):
        if prop(project.ids[entry.get("producer")], "kdenlive:id") in numbers - kept:
            producers.add(entry.get("producer"))
            project.bin.remove(entry)
    for element in [e for e in project.root if e.tag in CLIPS and e.get("id") in producers - used]:
        project.root.remove(element)


class Writer:
    """Adds tracks to a project."""

    def __init__(self, root: ET.Element, timeline: Timeline, losses: list[str]):
        self.project, self.timeline, self.losses = Project(root, timeline.name), timeline, losses
        self.root, self.sequence = root, self.project.sequence
        self.names = (name for name in (f"dubkit{n}" for n in itertools.count()) if name not in self.project.ids)
        self.numbers: dict[Path, str] = {}
        taken = [int(prop(e, "kdenlive:id")) for e in root.iter() if prop(e, "kdenlive:id").isdigit()]
        self.next_number = max(taken, default=1) + 1

    def add(self, track: Track, index: int) -> None:
        """``index``: its place in the sequence, where black is 0. What lies there must have been renumbered."""
        playlists = [self._playlist(track), self._insert("playlist")]
        tractor = self._insert(
            "tractor", {"in": "0", "out": str(max(track.clips[-1].record.stop if track.clips else 1, 1) - 1)}
        )
        if track.kind == "audio":
            for element in (*playlists, tractor):
                set_prop(element, "kdenlive:audio_track", 1)
        set_prop(tractor, "kdenlive:track_name", track.name)
        set_prop(tractor, "kdenlive:timeline_active", 1)
        hide = "both" if not track.enabled else "video" if track.kind == "audio" else "audio"
        for playlist in playlists:
            ET.SubElement(tractor, "track", {"hide": hide, "producer": playlist.get("id")})
        places = [i for i, child in enumerate(self.sequence) if child.tag == "track"]
        self.sequence.insert(places[index - 1] + 1, ET.Element("track", {"producer": tractor.get("id")}))
        self.sequence.append(self._transition(track.kind, index))

    def pair(self, tracks: Sequence[Track]) -> None:
        """Groups each picture with its sound."""
        where = {
            prop(t, "kdenlive:track_name") + prop(t, "kdenlive:audio_track"): i
            for i, (_, t) in enumerate(self.project.tracks())
        }
        heard = {c.record.start for t in tracks if t.kind == "audio" for c in t.clips}
        groups = self.project.stored("groups")
        for track in (t for t in tracks if t.kind == "video"):
            for at in sorted(heard & {c.record.start for c in track.clips}):
                ends = (where[track.name], where[track.name + "1"])
                leaves = [{"data": f"{number}:{at}", "leaf": "clip", "type": "Leaf"} for number in ends]
                groups.append({"children": leaves, "type": "AVSplit"})
        self.project.store("groups", groups)

    def guides(self, markers) -> None:
        """One guide fits on a frame, and the editor's own stay: takes the next free frame."""
        guides = self.project.stored("guides")
        taken = {int(guide.get("pos", 0)) for guide in guides}
        for marker in markers:
            at = next(frame for frame in itertools.count(marker.record.start) if frame not in taken)
            taken.add(at)
            text = f"{marker.name}: {marker.note}" if marker.note else marker.name
            guides.append({"comment": text, "pos": at, "type": GUIDES.get(marker.color, 8)})
        self.project.store("guides", guides)

    def _playlist(self, track: Track) -> ET.Element:
        producers: dict[tuple[Path, Fraction], str] = {}
        lines, position = [], 0
        for clip in track.clips:
            if clip.media is None or clip.speed is None or clip.speed <= 0 or not clip.enabled:
                self.losses.append(f"'{clip.name}' at {self.timeline.timecode(clip.record.start)}: {_why_not(clip)}")
                continue
            source = (clip.media, clip.speed)
            if source not in producers:
                producers[source] = self._clip(clip, track.kind)
            if clip.record.start > position:
                lines.append(ET.Element("blank", {"length": self.project.clock(clip.record.start - position)}))
            first = round(clip.source_start / clip.speed * self.timeline.rate)
            entry = ET.Element("entry", {
                "producer": producers[source], "in": self.project.clock(first), "out": self.project.clock(first + len(clip.record) - 1),
            })  # fmt: skip
            set_prop(entry, "kdenlive:id", self.numbers[clip.media])
            lines.append(entry)
            position = clip.record.stop
        playlist = self._insert("playlist")
        playlist.extend(lines)
        return playlist

    def _clip(self, clip: Clip, kind: str) -> str:
        """A clip of the timeline: its file, seen or heard. The file's own clip lies in the bin."""
        if clip.media not in self.numbers:
            self.numbers[clip.media] = self._bin(clip)
        producer = self._insert("producer", before=None)
        self._describe(producer, clip, clip.speed)
        set_prop(producer, "kdenlive:id", self.numbers[clip.media])
        set_prop(producer, "set.test_audio", int(kind == "video"))
        set_prop(producer, "set.test_image", int(kind == "audio"))
        return producer.get("id")

    def _bin(self, clip: Clip) -> str:
        for entry in self.project.bin.findall("entry"):
            there = self.project.ids.get(entry.get("producer"))
            if there is not None and prop(there, "resource") == clip.media.as_posix():
                return prop(there, "kdenlive:id")
        number, self.next_number = str(self.next_number), self.next_number + 1
        card = self._insert("producer", before=self.project.bin)
        self._describe(card, clip, Fraction(1))
        for name, value in (("kdenlive:id", number), ("kdenlive:clip_type", 0), ("kdenlive:folderid", -1)):
            set_prop(card, name, value)
        ET.SubElement(self.project.bin, "entry", {"producer": card.get("id"), "in": "0", "out": card.get("out")})
        return number

    def _describe(self, producer: ET.Element, clip: Clip, speed: Fraction) -> None:
        length = ENDLESS
        if clip.facts is not None:
            length = max(1, round(clip.facts.frames / clip.facts.rate / speed * self.timeline.rate))
        set_prop(producer, "length", length)
        set_prop(producer, "eof", "pause")
        path = clip.media.as_posix()
        if speed != 1:
            for name, value in (("warp_speed", repr(float(speed))), ("warp_resource", path), ("warp_pitch", 1)):
                set_prop(producer, name, value)
        set_prop(producer, "resource", path if speed == 1 else f"{float(speed)!r}:{path}")
        set_prop(producer, "mlt_service", "avformat-novalidate" if speed == 1 else "timewarp")
        set_prop(producer, "kdenlive:clipname", clip.media.name)
        producer.attrib |= {"in": "0", "out": str(length - 1)}

    def _transition(self, kind: str, index: int) -> ET.Element:
        """The mix or the blend that belongs to every track, as this project has it elsewhere."""
        own = [t for t in self.sequence.findall("transition") if prop(t, "internal_added") == INTERNAL]
        like = next((t for t in own if (prop(t, "mlt_service") == "mix") == (kind == "audio")), None)
        if like is None:
            like = ET.Element("transition")
            more = (
                {"accepts_blanks": 1, "sum": 1}
                if kind == "audio"
                else {"compositing": 0, "distort": 0, "rotate_center": 0}
            )
            service = "mix" if kind == "audio" else "qtblend"
            for name, value in ({"a_track": 0, "b_track": index, "mlt_service": service, "kdenlive_id": service,
                                 "internal_added": INTERNAL, "always_active": 1} | more).items():  # fmt: skip
                set_prop(like, name, value)
        made = copy.deepcopy(like)
        made.set("id", next(self.names))
        set_prop(made, "a_track", 0)
        set_prop(made, "b_track", index)
        return made

    def _insert(
        self, tag: str, attributes: dict[str, str] | None = None, before: ET.Element | None = None
    ) -> ET.Element:
        """A new element with an id, ahead of the sequence (or of ``before``): MLT reads top to bottom."""
        element = ET.Element(tag, {"id": next(self.names)} | (attributes or {}))
        self.root.insert(list(self.root).index(self.sequence if before is None else before), element)
        self.project.ids[element.get("id")] = element
        return element


def _why_not(clip: Clip) -> str:
    if clip.media is None:
        return f"a {clip.without_media or 'clip without a file'} is not written"
    if not clip.enabled:
        return "it is switched off and is not written"
    return "its speed is not a constant forward one"
