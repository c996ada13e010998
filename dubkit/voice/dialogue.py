"""The dub's dialogue: one clean track a speaker, from recordings and placed lines, each at its level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.settings import VoiceSettings
from dubkit.types import DubLine, Segment
from dubkit.voice.attribute import Piece
from dubkit.voice.levels import Original, line_gains, recorded_line_gains, recording_gain
from dubkit.voice.loudness import Energy, channel_energies
from dubkit.voice.placed import Placed
from dubkit.voice.recordings import Recording
from dubkit.voice.sources import Plan
from dubkit.voice.tracks import RATE, Clip, Span, Track, clips_track, masked, scaled, summed


@dataclass(frozen=True, slots=True, eq=False)
class Dialogue:
    """Virtual tracks (nothing is written yet), the lines, and where the dub speaks at all."""

    speakers: dict[str, Track]
    rest: Track | None  # what a finished track says near no turn: it sounds, and no lips follow it
    lines: tuple[DubLine, ...]
    speech: tuple[Segment, ...]
    notes: tuple[str, ...]

    def whole(self, samples: int) -> Track:
        return summed([*self.speakers.values(), *([self.rest] if self.rest else [])], samples)

    def louder(self, factor: float) -> Dialogue:
        """Everything times ``factor``."""
        tracks = {name: scaled(track, factor) for name, track in self.speakers.items()}
        rest = scaled(self.rest, factor) if self.rest else None
        decibels = 20 * np.log10(factor)
        lines = tuple(replace(line, gain=round(line.gain + decibels, 2)) for line in self.lines)
        return replace(self, speakers=tracks, rest=rest, lines=lines)


def build_dialogue(
    plan: Plan,
    placed: Sequence[Placed],
    original: Original | None,
    samples: int,
    settings: VoiceSettings,
    kept: Pieces = NOTHING_KEPT,
) -> Dialogue:
    """Puts every source in its place at its level."""
    parts: dict[str, list[Track]] = {}
    lines: list[DubLine] = []
    speech: list[Segment] = []
    notes: list[str] = []
    rest = None

    gains = line_gains(placed, original, settings.level)
    clips: dict[str, list[Clip]] = {}
    for line in placed:
        unit, factor = line.unit, gains[line.unit.id]
        start, length = round(line.segment.start * RATE), round(line.segment.duration * RATE)
        clips.setdefault(unit.speaker, []).append(Clip(start, line.path, length, factor))
        lines.append(DubLine(unit.id, unit.turn_id, unit.speaker, line.segment, line.text, line.natural, line.stretch,
                             _db(factor), line.source, line.notes))  # fmt: skip
        speech.append(line.segment)
    for speaker, own in clips.items():
        parts.setdefault(speaker, []).append(clips_track(own, samples))

    recordings = [("stem", name, recording) for name, recording in plan.stems.items()]
    recordings += [("track", None, plan.track)] if plan.track else []
    for kind, owner, recording in recordings:
        taken = [piece for piece in recording.pieces if _used(piece, kind, plan)]
        track = recording.track(samples)
        name = f"energies of the {kind} of {owner}"

        def energy(name: str = name, track: Track = track) -> Energy:
            return Energy(kept(name, lambda: channel_energies(track)[0]))

        factors = _factors(energy, taken, plan, original, settings)
        by_speaker: dict[str | None, list[Piece]] = {}
        for piece in taken:
            by_speaker.setdefault(owner or (piece.turn.speaker if piece.turn else None), []).append(piece)
        for name, pieces in by_speaker.items():
            heard = masked(track, _spans(recording, samples, factors, frozenset(pieces)))
            if name is None:
                rest = heard
            else:
                parts.setdefault(name, []).append(heard)
        lost = [p.segment for p in taken if p.turn is None]
        if lost:
            notes.append(
                f"{len(lost)} stretches of the {kind}{' of ' + owner if owner else ''} speak where nobody speaks in the "
                f"film (first at {lost[0].start:.1f} s): they sound, and no lips follow them"
            )
        lines += _recorded_lines(kind, taken, plan, factors, settings.short)
        speech += [piece.segment for piece in taken]

    speakers = {
        name: summed(tracks, samples) if len(tracks) > 1 else tracks[0] for name, tracks in sorted(parts.items())
    }
    return Dialogue(speakers, rest, tuple(sorted(lines, key=lambda x: (x.segment, x.id))), tuple(speech), tuple(notes))


def _used(piece: Piece, kind: str, plan: Plan) -> bool:
    """Whether a stretch of a recording is heard: not where its line comes from elsewhere."""
    return piece.turn is None or plan.kind[piece.turn.id] == kind


def _factors(
    energy: Callable[[], Energy],
    taken: Sequence[Piece],
    plan: Plan,
    original: Original | None,
    settings: VoiceSettings,
) -> dict[str | None, float]:
    """Unit id → factor; under None that of everything else in the recording, whose ``energy`` it may ask for."""
    spoken: dict[str, list[Segment]] = {}
    for piece in taken:
        if piece.turn:
            spoken.setdefault(piece.turn.id, []).append(piece.segment)
    units = {unit.id: unit for unit in plan.units}
    if settings.level == "keep" or not spoken:
        return {None: 1.0}
    if settings.level == "line":
        by_line = recorded_line_gains(energy(), units, spoken, original)
        return {None: float(np.median(list(by_line.values()))), **by_line}
    return {None: recording_gain(energy(), units, spoken, original)}


def _spans(recording: Recording, samples: int, factors, heard: frozenset[Piece]) -> list[Span]:
    """The whole film cut in the middle of the pauses between pieces, so that breaths stay with their line."""
    pieces = sorted(recording.pieces, key=lambda p: p.segment)
    edges = [
        0,
        *(round((a.segment.end + b.segment.start) / 2 * RATE) for a, b in zip(pieces, pieces[1:], strict=False)),
    ]
    bounds = zip(edges, [*edges[1:], samples], strict=True)
    spans: list[Span] = []
    for piece, (start, stop) in zip(pieces, bounds, strict=True):
        if piece not in heard:
            continue
        factor = factors.get(piece.turn.id if piece.turn else None, factors[None])
        if spans and spans[-1].stop == start and spans[-1].factor == factor:
            spans[-1] = Span(spans[-1].start, stop, factor)
        else:
            spans.append(Span(start, stop, factor))
    return spans


def _recorded_lines(kind: str, taken: Sequence[Piece], plan: Plan, factors, short: float) -> list[DubLine]:
    units = {unit.id: unit for unit in plan.units}
    found: dict[str, list[Piece]] = {}
    for piece in taken:
        if piece.turn:
            found.setdefault(piece.turn.id, []).append(piece)
    lines = []
    for key, pieces in found.items():
        unit, gain = units[key], _db(factors.get(key, factors[None]))
        where = Segment(min(p.segment.start for p in pieces), max(p.segment.end for p in pieces))
        text, own = unit.translation or "", unit.segment.duration
        notes = []
        if any(piece.doubtful for piece in pieces):
            notes.append("two people speak here in the film; the one with the larger share of the time was taken")
        if where.duration < short * own:
            notes.append(f"too short by {own - where.duration:.1f} s: the actor's lips move longer than the line")
        lines.append(
            DubLine(key, unit.turn_id, unit.speaker, where, text, where.duration, 1.0, gain, kind, tuple(notes))
        )
    return lines


def _db(factor: float) -> float:
    return round(20 * float(np.log10(factor)), 2)
