"""A Kdenlive project file: MLT XML in which the clips of a bin lie on the tracks of a sequence.

A sequence is a ``tractor`` whose tracks are black, then the audio tracks from the lowest up, then the video tracks. Each track is a tractor of
two playlists, which take turns where two clips are mixed. Positions are frames at the profile's rate or clock times; ``out`` is
inclusive. Until 22.12 a project (document version 1.04) holds one sequence, its last tractor; from 23.04 on (1.1) any number, and
``main_bin`` names the active one. Source: mltframework.org, "MLT XML"; projects written by Kdenlive 22.07 to 24.04.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from dubkit.errors import InputError
from dubkit.nle.timeline import OURS, TimelineError
from dubkit.timing import Timecode, exact_rate

INTERNAL = "237"  # what Kdenlive writes into ``internal_added`` of the mixes and blends that belong to every track
CLIPS = ("producer", "chain")


def parse(path: Path) -> ET.Element:
    """The root element. Raises TimelineError."""
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise TimelineError(f"{path.name} cannot be read as a Kdenlive project: {error}") from error
    if root.tag != "mlt" or root.find("profile") is None or root.find("tractor") is None:
        raise TimelineError(f"{path.name} is not a Kdenlive project: it has no <mlt> with a profile and a timeline")
    return root


def prop(element: ET.Element, name: str) -> str:
    """A property's text; empty where there is none."""
    found = element.find(f"property[@name='{name}']")
    return (found.text or "") if found is not None else ""


def set_prop(element: ET.Element, name: str, value: object) -> None:
    """Sets a property; a new one goes behind the others, as MLT wants it."""
    found = element.find(f"property[@name='{name}']")
    if found is None:
        found = ET.Element("property", {"name": name})
        element.insert(len(element.findall("property")), found)
    found.text = str(value)


class Project:
    """A parsed project: its rate, its bin and its active sequence."""

    def __init__(self, root: ET.Element, name: str):
        self.root = root
        self.ids = {element.get("id"): element for element in root.iter() if element.get("id")}
        profile = root.find("profile")
        try:
            self.rate = exact_rate(f"{profile.get('frame_rate_num')}/{profile.get('frame_rate_den', '1')}")
        except InputError as error:
            raise TimelineError(f"{name} does not say its frame rate: {error}") from error
        self.bin = self.ids.get("main_bin")
        self.sequence = self._sequence(name)
        self.scope = "sequenceproperties" if prop(self.sequence, "kdenlive:uuid") else "docproperties"

    def _sequence(self, name: str) -> ET.Element:
        tractors = self.root.findall("tractor")
        several = {prop(t, "kdenlive:uuid"): t for t in tractors if prop(t, "kdenlive:uuid")}
        if not several:
            return tractors[-1]
        active = prop(self.bin, "kdenlive:docproperties.activetimeline") if self.bin is not None else ""
        if active in several:
            return several[active]
        if len(several) == 1:
            return next(iter(several.values()))
        raise TimelineError(f"{name} holds {len(several)} sequences and does not say which is active; save it again")

    # ------------------------------------------------------------------------------------------------------------ time

    def frames(self, text: str | None) -> int:
        """A position: frames, "HH:MM:SS.mmm", or SMPTE. Raises TimelineError."""
        text = (text or "0").strip()
        try:
            if ":" not in text:
                return round(float(text))
            if text.count(":") == 3 or ";" in text:
                return Timecode.parse(text, self.rate).frame
            hours, minutes, seconds = text.replace(",", ".").split(":")
            return round((int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)) * self.rate)
        except (ValueError, InputError) as error:
            raise TimelineError(f"'{text}' is not a time of MLT") from error

    def clock(self, frame: int) -> str:
        """The position as Kdenlive writes it; a millisecond is far less than half a frame."""
        total = round(Fraction(frame) / self.rate * 1000)
        return f"{total // 3600000:02}:{total // 60000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"

    # ---------------------------------------------------------------------------------------------------------- tracks

    def tracks(self) -> list[tuple[ET.Element, ET.Element]]:
        """``(reference, track)`` of every track but black, from the lowest audio track to the highest video track."""
        found = [(reference, self.ids.get(reference.get("producer"))) for reference in self.sequence.iter("track")]
        return [
            (reference, track)
            for reference, track in found
            if track is not None and track.tag in ("tractor", "playlist")
        ]

    def playlists(self, track: ET.Element) -> list[tuple[ET.Element, str]]:
        """A track's playlists, and what each hides."""
        if track.tag == "playlist":
            return [(track, "")]
        inner = [(self.ids.get(t.get("producer")), t.get("hide", "")) for t in track.iter("track")]
        return [(playlist, hides) for playlist, hides in inner if playlist is not None and playlist.tag == "playlist"]

    def is_audio(self, reference: ET.Element, track: ET.Element) -> bool:
        return prop(track, "kdenlive:audio_track") == "1" or reference.get("hide") == "video"

    def renumber(self, new: Callable[[int], int | None]) -> None:
        """After tracks came or went: everything that names a track by its number. ``new``: old index (black is 0) → new, None: gone."""
        for transition in self.sequence.findall("transition"):
            for name in ("a_track", "b_track"):
                text = prop(transition, name)
                if not text.lstrip("-").isdigit() or int(text) < 1:
                    continue
                if new(int(text)) is None:
                    self.sequence.remove(transition)
                    break
                set_prop(transition, name, new(int(text)))
        home = self.home()
        for name in ("activeTrack", "audioTarget", "videoTarget"):
            text = prop(home, f"kdenlive:{self.scope}.{name}")
            if text.isdigit():  # counted without black; -1: none
                moved = new(int(text) + 1)
                set_prop(home, f"kdenlive:{self.scope}.{name}", -1 if moved is None else moved - 1)
        self.store("groups", [g for g in (_moved(group, new) for group in self.stored("groups")) if g])
        count = len(self.tracks())
        for name in ("tracks", "tracksCount"):
            if prop(home, f"kdenlive:{self.scope}.{name}"):
                set_prop(home, f"kdenlive:{self.scope}.{name}", count)

    # ----------------------------------------------------------------------------------------------- lists kept as JSON

    def home(self) -> ET.Element:
        """Where the sequence's own lists are kept."""
        return self.sequence if self.scope == "sequenceproperties" else self.bin

    def stored(self, name: str) -> list:
        """ "guides" or "groups"."""
        if self.home() is None:
            return []
        try:
            found = json.loads(prop(self.home(), f"kdenlive:{self.scope}.{name}") or "[]")
        except ValueError:
            return []
        return found if isinstance(found, list) else []

    def store(self, name: str, items: list) -> None:
        if items or prop(self.home(), f"kdenlive:{self.scope}.{name}"):
            set_prop(self.home(), f"kdenlive:{self.scope}.{name}", json.dumps(items))


def is_ours(name: str) -> bool:
    """Whether dubkit placed the track of that name, or the guide with that comment."""
    return name == OURS or name.startswith((OURS + " ", OURS + ":"))


def _moved(group: dict, new: Callable[[int], int | None]) -> dict | None:
    """A group with its tracks renumbered (there counted without black); None if one of them is gone."""
    if "children" in group:
        children = [_moved(child, new) for child in group["children"]]
        return None if None in children else group | {"children": children}
    track, _, rest = str(group.get("data", "")).partition(":")
    if not track.isdigit() or not rest:
        return group
    moved = new(int(track) + 1)
    return None if moved is None else group | {"data": f"{moved - 1}:{rest}"}
