"""Subtitles and translator's sheets: out as SRT, VTT, ASS, CSV or TSV, and back in as the translation of the lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubkit.errors import SpeechFileError
from dubkit.files import atomic_write
from dubkit.settings import SpeechSettings
from dubkit.speech import cues as cue_files
from dubkit.speech import layout
from dubkit.speech.match import Part, choose, gap, parts, shared_out, speakers_of
from dubkit.types import Line, Segment

# ---------------------------------------------------------------------------------------------------------------- out


def save(path: Path, lines: Sequence[Line], settings: SpeechSettings = SpeechSettings()) -> Path:
    """Writes the lines as subtitles ("speaker: text") in the format of the suffix, by the rules of the settings."""
    import pysubs2

    if path.suffix.lower() not in (".srt", ".vtt", ".ass"):
        raise SpeechFileError(f"'{path.suffix}' is not a subtitle format that dubkit writes; use .srt, .vtt or .ass")
    file = pysubs2.SSAFile()
    for cue in layout.lay_out(lines, settings):
        event = pysubs2.SSAEvent(round(cue.segment.start * 1000), round(cue.segment.end * 1000), name=cue.speaker or "")
        event.plaintext = cue.text
        file.append(event)
    atomic_write(path, file.to_string(path.suffix.lower().lstrip(".")).encode())
    return path


def unreadable(lines: Sequence[Line], settings: SpeechSettings, name: str) -> tuple[str, ...]:
    """What of the subtitles that ``save`` makes of the lines breaks the rules of the settings: the actors talk too fast."""
    return layout.unreadable(layout.lay_out(lines, settings), settings, name)


def save_sheet(path: Path, lines: Sequence[Line]) -> Path:
    """Writes the translator's sheet: one row a line, the last column to be filled. .tsv is tab-separated, all else CSV."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", lineterminator="\r\n")
    writer.writerow(cue_files.SHEET)
    for line in lines:
        start, end = f"{line.segment.start:.3f}", f"{line.segment.end:.3f}"
        writer.writerow((line.id, line.speaker, start, end, line.text, line.translation or ""))
    atomic_write(path, ("\ufeff" + buffer.getvalue()).encode())  # the mark tells spreadsheets that it is UTF-8
    return path


# ----------------------------------------------------------------------------------------------------------------- in

PAUSE = 0.25  # seconds between two turns of an actor, over which a cue is cut rather than said in one breath
BORDER = 0.4  # seconds by which cues and diarizer must differ before a border is moved: more than subtitlers' habit


@dataclass(frozen=True, slots=True)
class Translation:
    """The film's lines with the text of the dub, and what a person should know about how that was put together."""

    lines: tuple[Line, ...]  # sorted by time; a turn has several where several cues are spoken in it
    names: dict[str, str]  # turn id → the name that the cues give to who speaks there
    notes: tuple[str, ...]  # one readable sentence each: what did not match, and how it was read


def load_translation(path: Path, lines: Sequence[Line], settings: SpeechSettings = SpeechSettings()) -> Translation:
    """Reads a filled sheet or translated subtitles and matches them to ``lines``. Raises SpeechFileError.

    Subtitles that cannot be read by the rules of the settings are noted; a sheet's rows are never shown.
    """
    found, notes = cue_files.load(path)
    translation = translate(found, lines, path.name)
    shown = () if path.suffix.lower() in (".csv", ".tsv", ".json") else found
    return replace(translation, notes=(*notes, *translation.notes, *layout.unreadable(shown, settings, path.name)))


def translate(found: Sequence[cue_files.Cue], lines: Sequence[Line], name: str = "the translation") -> Translation:
    """Matches cues to lines. Raises SpeechFileError where not one cue lies on speech: then the times are wrong."""
    by_id = {line.id: line for line in lines}
    spoken = [part for cue in found for part in parts(cue)]
    speakers = speakers_of(spoken, lines)
    taken: dict[str, list[Part]] = {}  # line id → parts spoken there
    joined: dict[str, str] = {}  # line id → id of the line that says its text
    ends: dict[str, Segment] = {}  # line id → the stretch of all lines that its cue spans
    lost: list[Part] = []
    divided: list[str] = []
    for part in spoken:
        chosen = choose(part, lines, speakers, by_id)
        if not chosen:
            lost.append(part)
            continue
        pauses = all(gap(a.segment, b.segment) >= PAUSE for a, b in zip(chosen, chosen[1:], strict=False))
        if part.count == 1 and len(chosen) > 1 and pauses and (pieces := shared_out(part.text, chosen)):
            for line, text in zip(chosen, pieces, strict=True):
                taken.setdefault(line.id, []).append(replace(part, text=text, place=line.segment))
            said = " | ".join(_short(text) for text in pieces)
            divided.append(
                f"cue {part.cue.number} spans {len(chosen)} turns of {chosen[0].speaker}; it is said as {said}"
            )
            continue
        first = max(chosen, key=lambda line: line.segment.overlap(part.segment)) if part.count > 1 else chosen[0]
        taken.setdefault(first.id, []).append(part)
        if part.count == 1 and len(chosen) > 1:
            ends[first.id] = Segment(first.segment.start, max(line.segment.end for line in chosen))
            joined |= {line.id: first.id for line in chosen[1:]}
    if lines and spoken and not taken:
        raise SpeechFileError(
            f"none of the {len(spoken)} cues of {name} lies on speech: they begin at {spoken[0].segment.start:.1f} s, the "
            f"film's lines at {lines[0].segment.start:.1f} s. Shift the file by the difference (subtitles of a master that "
            "starts at 01:00:00:00 are 3600 s late) and give it again"
        )
    borders, moved = _borders(lines, taken)
    made: list[Line] = []
    for line in borders:
        made += _said(line, taken.get(line.id, ()), joined.get(line.id), ends.get(line.id))
    extra = [_unheard(part, speakers) for part in lost if part.text]
    notes = moved + divided + [_unspoken(cue) for cue in found if cue.text and not parts(cue)]
    notes += [f"cue {p.cue.number} ({_when(p.segment)}, '{_short(p.text)}'): nobody was heard speaking there; it is kept as "
              "a line of its own that no lips follow" for p in lost if p.text]  # fmt: skip
    notes += [f"line {line.id} ({_when(line.segment)}, {line.speaker}{_quoted(line.text)}) has no translation"
              for line in lines if not any(p.text for p in taken.get(line.id, ())) and line.id not in joined]  # fmt: skip
    notes += [
        f"line {a} is said together with line {b}: one cue spans both" for a, b in joined.items() if a not in taken
    ]
    return Translation(
        tuple(sorted([*made, *extra], key=lambda x: (x.segment, x.id))), _names(taken, lines), tuple(notes)
    )


def _borders(lines: Sequence[Line], taken: dict[str, list[Part]]) -> tuple[list[Line], list[str]]:
    """Moves the border of two neighbours where their cues change speaker at clearly another moment than the diarizer."""
    ordered, notes = sorted(lines, key=lambda line: line.segment), []
    for i, (a, b) in enumerate(zip(ordered, ordered[1:], strict=False)):
        before, after = taken.get(a.id), taken.get(b.id)
        if not before or not after or a.speaker == b.speaker:
            continue
        end, start = max(p.segment.end for p in before), min(p.segment.start for p in after)
        early, late = start < min(a.segment.end, b.segment.start) - BORDER, end > b.segment.start + BORDER
        if end <= start and (early or late) and a.segment.start < end and start < b.segment.end:
            ordered[i] = replace(a, segment=Segment(a.segment.start, end))
            ordered[i + 1] = replace(b, segment=Segment(start, b.segment.end))
            notes.append(f"lines {a.id} and {b.id}: the speaker changes at {start:.2f} s by the cues, at "
                         f"{b.segment.start:.2f} s by the diarizer; the cues were followed")  # fmt: skip
    return ordered, notes


def _said(line: Line, said: Sequence[Part], owner: str | None, whole: Segment | None) -> list[Line]:
    """The line with its translation; several lines, each in its cue's time, where several cues were spoken in it."""
    said = sorted((part for part in said if part.text), key=lambda part: part.segment)
    if not said:
        return [replace(line, translation="" if owner else None)]
    span = whole or line.segment
    if len(said) == 1:
        return [replace(line, segment=span, translation=said[0].text)]
    cuts = [min(max(part.segment.start, span.start), span.end) for part in said[1:]]
    edges = [span.start, *cuts, span.end]
    pieces = []
    for number, (part, start, end) in enumerate(zip(said, edges, edges[1:], strict=False), 1):
        if number < len(said):  # a pause between two cues stays a pause
            end = max(start, min(end, part.segment.end))
        words = tuple(
            w
            for w in line.words
            if start <= w.segment.middle < edges[number] or (number == len(said) and w.segment.middle >= end)
        )
        text = " ".join(word.text for word in words) if line.words else (line.text if number == 1 else "")
        pieces.append(
            replace(
                line,
                id=f"{line.id}.{number}",
                segment=Segment(start, end),
                words=words,
                text=text,
                translation=part.text,
            )
        )
    return pieces


def _unheard(part: Part, speakers: dict[str, str]) -> Line:
    identity = f"c{part.cue.number:04}" + (f".{part.index + 1}" if part.count > 1 else "")
    speaker = speakers.get(part.cue.speaker or "", part.cue.speaker or "UNKNOWN")
    return Line(identity, identity, part.segment, speaker, part.cue.source, translation=part.text)


def _names(taken: dict[str, list[Part]], lines: Sequence[Line]) -> dict[str, str]:
    """Turn id → name in the cues, by the time that cues of that name fill in it."""
    votes: dict[str, dict[str, float]] = {}
    for line in lines:
        for part in taken.get(line.id, ()):
            if part.cue.speaker and part.cue.speaker != line.speaker:
                turn = votes.setdefault(line.turn_id, {})
                turn[part.cue.speaker] = turn.get(part.cue.speaker, 0.0) + part.segment.duration
    return {turn_id: max(names, key=names.get) for turn_id, names in votes.items()}


def _when(segment: Segment) -> str:
    minutes, seconds = divmod(segment.start, 60)
    return f"{int(minutes):02}:{seconds:06.3f}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 40 else flat[:39] + "…"


def _quoted(text: str) -> str:
    return f", '{_short(text)}'" if text else ""


def _unspoken(cue: cue_files.Cue) -> str:
    return (
        f"cue {cue.number} ({_when(cue.segment)}, '{_short(cue.text)}') describes a sound or is sung; it is not dubbed"
    )
