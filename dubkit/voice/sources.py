"""Where each line of the dub comes from: its own file, a stem, the finished track, or a voice.

The nearest source wins: a file given for the line, a voice named for the line, the stem of its speaker, the finished
track, and last a voice for its translated text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.settings import VoiceSettings
from dubkit.types import Line, Turn
from dubkit.voice.recordings import Problems, Recording, open_recording
from dubkit.voice.text import speakable


@dataclass(frozen=True, slots=True)
class DubSource:
    """What somebody gives for the dub, freely combined. Keys of ``stems`` are speakers, of ``line_files`` line ids."""

    language: str  # "es", "pt-BR"
    dialogue: Path | None = None  # one finished track with everybody's dialogue
    stems: Mapping[str, Path] = field(default_factory=dict)
    line_files: Mapping[str, Path] = field(default_factory=dict)
    background: Path | None = None  # music and effects


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """``units`` are the lines, and the turns that have none; ``kind`` says for each where its dub comes from."""

    units: tuple[Line, ...]
    kind: Mapping[str, str]  # unit id → "file" | "stem" | "track" | "tts" | "none"
    stems: Mapping[str, Recording]  # speaker →
    track: Recording | None
    extra: tuple[str, ...]  # speakers of the dub that no turn of the film has


def plan_sources(
    source: DubSource,
    turns: Sequence[Turn],
    lines: Sequence[Line],
    duration: float,
    voices: Mapping[str, str],
    settings: VoiceSettings,
    problems: Problems,
    tick: Callable[[], None] = lambda: None,
    kept: Pieces = NOTHING_KEPT,
) -> Plan:
    """Looks at every given file once and decides for every line. Raises MediaError or InputError (see Problems)."""
    units = _units(turns, lines)
    speakers = sorted({turn.speaker for turn in turns})
    extra = set()
    for name in sorted({unit.speaker for unit in units} | set(source.stems)):
        if speakers and name not in speakers:
            extra.add(name)
            where = "a stem" if name in source.stems else _named([unit for unit in units if unit.speaker == name])
            problems.meet(
                f"{where} is for '{name}', but nobody of that name speaks in the film{_like(name, speakers)}",
                "lets it sound, and no lips follow it",
            )
    ids = {unit.id for unit in units} | {unit.turn_id for unit in units}
    for key in source.line_files:
        if key not in ids:
            problems.meet(f"a sound file is given for the line '{key}', which does not exist{_like(key, ids)}", "leaves it out")  # fmt: skip

    as_turns = {
        name: [Turn(u.id, u.segment, u.speaker) for u in units if u.speaker == name] for name in [*speakers, *extra]
    }
    stems: dict[str, Recording] = {}
    silent: set[str] = set()
    for name, path in source.stems.items():
        found = open_recording(path, f"the stem of {name}", as_turns.get(name, ()), duration, problems, tick, kept)
        if found:
            stems[name] = found
        else:
            silent.add(name)
    track = None
    if source.dialogue is not None:
        everybody = [turn for spoken in as_turns.values() for turn in spoken]
        track = open_recording(
            source.dialogue, "the finished dialogue track", everybody, duration, problems, tick, kept
        )

    def kind(unit: Line) -> str:
        if line_file(source, unit):
            return "file"
        text = speakable(unit.translation or "")
        if text and unit.id in voices:
            return "tts"
        if unit.speaker in stems:
            return "stem"
        if unit.speaker in silent and settings.problems != "repair":
            return "none"
        if track is not None:
            return "track"
        return "tts" if text else "none"

    return Plan(units, {unit.id: kind(unit) for unit in units}, stems, track, tuple(sorted(extra)))


def line_file(source: DubSource, unit: Line) -> Path | None:
    """The file given for a line, under its own id or its turn's."""
    return source.line_files.get(unit.id) or source.line_files.get(unit.turn_id)


def _units(turns: Sequence[Turn], lines: Sequence[Line]) -> tuple[Line, ...]:
    with_line = {line.turn_id for line in lines}
    bare = [Line(turn.id, turn.id, turn.segment, turn.speaker, "") for turn in turns if turn.id not in with_line]
    return tuple(sorted([*lines, *bare], key=lambda line: (line.segment, line.id)))


def _named(lines: Sequence[Line]) -> str:
    first = lines[0]
    text = " ".join((first.translation or "").split())
    text = text if len(text) <= 30 else text[:29] + "…"
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"line {first.id} at {first.segment.start:.1f} s, '{text}',{more}"


def _like(name: str, known) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are: {', '.join(sorted(known)[:12])}"
