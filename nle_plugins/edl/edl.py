"""CMX 3600 edit decision lists, read and written by dubkit itself (the public adapter loses sound, drop-frame and retimes at NTSC rates).

An EDL knows neither its frame rate (``rate`` must be given) nor where media are; ``* SOURCE FILE:`` comments say the latter, else the
clip's name is looked for beside the list. It holds one video track, so the dub is written as a list of its own, to be laid over the edit.
Source: CMX 3600 edit list format, as in SMPTE ST 258 and "CMX 3600 EDL", edlmax.com.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from dubkit.errors import MediaError
from dubkit.files import atomic_write
from dubkit.nle.conform import media_timecode
from dubkit.nle.timeline import Clip, Marker, Timeline, TimelineError, Track
from dubkit.nle.uses import GENERATOR
from dubkit.timing import Timecode
from dubkit.types import FrameRange

_TIME = r"(\d\d:\d\d:\d\d[:;.]\d\d)"
_EVENT = re.compile(rf"(\d+)\s+(\S+)\s+(\S+)\s+(C|D|W\S*|K\S*)\s+(?:(\d+)\s+)?{_TIME}\s+{_TIME}\s+{_TIME}\s+{_TIME}\s*")
_M2 = re.compile(rf"M2\s+\S+\s+(-?\d+(?:\.\d+)?)\s+{_TIME}\s*")
_LOC = re.compile(rf"\*\s*LOC:\s*{_TIME}\s+(\w+)\s*(.*)")
COLORS = {"RED", "ORANGE", "YELLOW", "GREEN", "CYAN", "BLUE", "PURPLE", "MAGENTA", "PINK", "BLACK", "WHITE"}


@dataclass
class _Event:
    number: str
    reel: str
    channels: str
    times: tuple[int, int, int, int]  # frames since midnight: source in and out, record in and out
    speed: Fraction = Fraction(1)
    comments: dict[str, str] = field(default_factory=dict)


def read(path: Path, *, rate: Fraction | None = None) -> Timeline:
    """Reads a list. ``rate`` must be given. Raises TimelineError."""
    if rate is None:
        raise TimelineError(f"an EDL does not say its frame rate; give the rate of {path.name}, like --rate 23.976")
    try:
        text = path.read_text("utf-8-sig", "replace")
    except OSError as error:
        raise TimelineError(f"{path.name} cannot be read: {error}") from error
    title, drop, events, markers = _parse(text, rate, path.name)
    if not events:
        raise TimelineError(f"{path.name} has no events; it is no CMX 3600 list")
    start = min(event.times[2] for event in events)
    tracks: dict[tuple[int, str], list[Clip]] = defaultdict(list)
    for event in events:
        for track in _channels(event.channels, path.name):
            clip = _clip(event, rate, start, path.parent)
            if len(clip.record):
                tracks[track].append(clip)
    made = [
        Track("video" if name == "V" else "audio", name, tuple(sorted(clips, key=lambda clip: clip.record)))
        for (_, name), clips in sorted(tracks.items())
    ]
    notes = [Marker(FrameRange(at - start, at - start + 1), note, color=color) for at, color, note in markers]
    return Timeline(title or path.stem, rate, tuple(made), start, drop, tuple(notes))


def _parse(text: str, rate: Fraction, name: str) -> tuple[str, bool, list[_Event], list[tuple[int, str, str]]]:
    title, drop, events, markers = "", False, [], []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        try:
            if line.startswith("TITLE:"):
                title = line[6:].strip()
            elif line.startswith("FCM:"):
                drop = "NON" not in line
            elif match := _EVENT.fullmatch(line):
                times = tuple(_frames(match[i], rate, drop) for i in (6, 7, 8, 9))
                events.append(_Event(match[1], match[2], match[3], times))
                drop = drop or ";" in match[8]
            elif (match := _M2.fullmatch(line)) and events:
                events[-1].speed = _speed(Fraction(match[1]), events[-1], rate)
            elif match := _LOC.fullmatch(line):
                color = match[2].upper() if match[2].upper() in COLORS else "RED"
                markers.append((_frames(match[1], rate, drop), color, match[3].strip()))
            elif line.startswith("*") and ":" in line and events:
                key, _, value = line[1:].partition(":")
                events[-1].comments[key.strip().upper()] = value.strip()
            elif re.match(r"\d+\s", line):
                raise TimelineError("this is not an event of a CMX 3600 list")
        except TimelineError as error:
            raise TimelineError(f"{name}, line {number}: {error}: {line}") from error
    return title, drop, events, markers


def _frames(text: str, rate: Fraction, drop: bool) -> int:
    """Many lists name drop-frame only in their FCM line, and write ':' everywhere."""
    from dubkit.errors import InputError

    if drop and rate.denominator == 1001 and rate > 29:
        text = text[:8] + ";" + text[9:]
    try:
        return Timecode.parse(text, rate).frame
    except InputError as error:
        raise TimelineError(str(error)) from error


def _speed(frames_a_second: Fraction, event: _Event, rate: Fraction) -> Fraction:
    """M2 says source frames a second with one decimal; the event's own source and record spans say it exactly where they agree."""
    written = frames_a_second / rate
    source, record = event.times[1] - event.times[0], event.times[3] - event.times[2]
    if record and source > 0 and abs(Fraction(source, record) - abs(written)) * rate < Fraction(1, 5):
        return Fraction(source, record) * (1 if written > 0 else -1)
    nice = written.limit_denominator(100)
    return nice if abs(nice - written) * rate < Fraction(1, 15) else written


def _channels(text: str, name: str) -> Iterator[tuple[int, str]]:
    """V, A, A2, AA, B (V and A), A/V, AA/V, NONE ..."""
    wanted = {"B": ["V", "A"], "AA": ["A", "A2"], "A": ["A"], "V": ["V"], "NONE": []}
    for part in text.upper().split("/"):
        found = wanted.get(part) or ([part] if re.fullmatch(r"[AV]\d{1,2}", part) else None)
        if found is None and part != "NONE":
            raise TimelineError(f"{name}: '{text}' is no channel of CMX 3600")
        for channel in found or []:
            number = int(channel[1:] or 1)
            yield (number - 1 if channel[0] == "V" else 100 + number, "V" if channel in ("V", "V1") else channel)


def _clip(event: _Event, rate: Fraction, start: int, folder: Path) -> Clip:
    source_in, _, record_in, record_out = event.times
    record = FrameRange(record_in - start, record_out - start)
    name = event.comments.get("FROM CLIP NAME") or event.reel
    if event.reel in ("BL", "BLK", "BLACK"):
        return Clip(name, record, None, without_media=GENERATOR)
    written = (
        event.comments.get("SOURCE FILE") or event.comments.get("FROM FILE") or event.comments.get("FROM CLIP NAME")
    )
    if not written:
        return Clip(name, record, None, without_media=f"reel {event.reel}, whose file the EDL does not name")
    path = Path(written)
    path = path if path.is_absolute() else folder / path
    origin = 0
    if path.is_file():
        try:
            code = media_timecode(path)
        except MediaError:
            code = None
        origin = _frames(code, rate, ";" in code) if code else 0
    if origin > source_in:
        origin = 0
    return Clip(name, record, path, (source_in - origin) / rate, event.speed, media_start=origin / rate)


# ------------------------------------------------------------------------------------------------------------ writing


def write(timeline: Timeline, path: Path, *, like: Path | None = None) -> Sequence[str]:
    """Writes what dubkit added, or the whole timeline where it added nothing. ``like`` is not needed: the source stays valid."""
    added = [track for track in timeline.tracks if track.added]
    losses = (
        ["the clips of the edit itself: an EDL holds one video track, so lay this list over the original"]
        if added
        else []
    )
    tracks = added or list(timeline.tracks)
    video = [track for track in tracks if track.kind == "video"]
    audio = [track for track in tracks if track.kind == "audio"]
    losses += [f"video track '{track.name}': an EDL holds one" for track in video[1:]]
    losses += [f"audio track '{track.name}': an EDL holds four" for track in audio[4:]]
    named = [("V", track) for track in video[:1]] + [
        ("A" if i == 1 else f"A{i}", track) for i, track in enumerate(audio[:4], start=1)
    ]
    lines = [f"TITLE: {_line(timeline.name)}", f"FCM: {'DROP FRAME' if timeline.drop else 'NON-DROP FRAME'}", ""]
    number = 0
    for clip, channel in sorted(
        ((c, channel) for channel, t in named for c in t.clips), key=lambda pair: (pair[0].record, pair[1] != "V")
    ):
        if clip.media is None or clip.speed is None or clip.speed <= 0:
            losses.append(
                f"'{clip.name}' at {timeline.timecode(clip.record.start)}: it has no media or no constant forward speed"
            )
            continue
        number += 1
        lines += _written(number, channel, clip, timeline)
    lines += [
        f"* LOC: {timeline.timecode(m.record.start)} {m.color if m.color in COLORS else 'RED'} {_line(f'{m.name} {m.note}'.strip())}"
        for m in timeline.markers
        if m.added or not added
    ]
    atomic_write(path, ("\n".join(lines) + "\n").encode("utf-8"))
    return losses


def _written(number: int, channel: str, clip: Clip, timeline: Timeline) -> list[str]:
    rate, day = timeline.rate, 24 * 3600
    first = round((clip.media_start + clip.source_start) * rate)
    past = first + max(1, round(len(clip.record) * clip.speed))
    code = lambda frame: str(Timecode(frame, rate, timeline.drop))  # noqa: E731
    if past / rate >= day:
        raise TimelineError(f"'{clip.name}': an EDL names no time beyond 24 hours")
    reel = "AX"
    times = f"{code(first)} {code(past)} {timeline.timecode(clip.record.start)} {timeline.timecode(clip.record.stop)}"
    lines = [f"{number:03}  {reel:<8} {channel:<5} C        {times}"]
    if clip.speed != 1:
        lines.append(f"M2   {reel:<8} {float(clip.speed * rate):05.1f}                {code(first)}")
    return lines + [f"* FROM CLIP NAME: {_line(clip.name)}", f"* SOURCE FILE: {clip.media.as_posix()}"]


def _line(text: str) -> str:
    """One line: a name with a line break must not become an event."""
    return " ".join(text.split())
