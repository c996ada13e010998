"""Makes the dub of a film: its lines in their places, a clean track a speaker, and the mix.

``make_dub`` reads from top to bottom: what is given (sources), what is made (lines, spoken and fitted), how loud it is
(levels), what sounds beside it (background), and then the files. Everything as long as the film is walked in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubkit.errors import InputError
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.progress import Progress, silent
from dubkit.settings import VoiceSettings
from dubkit.timing import Timecode
from dubkit.types import DubLine, Line, Segment, Turn
from dubkit.voice import fit, levels, report
from dubkit.voice.background import choose_background
from dubkit.voice.bwf import write_bwf
from dubkit.voice.casting import Casting, cast_voices
from dubkit.voice.dialogue import build_dialogue
from dubkit.voice.output import write_dub
from dubkit.voice.pitch import pitch_of_speaker
from dubkit.voice.placed import place_lines
from dubkit.voice.recordings import Problems
from dubkit.voice.sources import DubSource, Plan, plan_sources
from dubkit.voice.tracks import RATE, Track, file_samples, file_track, watched

MISFIT = 1.0  # seconds by which an M&E may be longer or shorter than the film

__all__ = ["Dub", "DubSource", "make_dub"]


@dataclass(frozen=True, slots=True)
class Dub:
    """What came out. All files are 48 kHz and exactly as long as the film."""

    lines: tuple[DubLine, ...]
    stems: dict[str, Path]  # speaker → clean dialogue, mono; what the lips follow
    dialogue: Path  # all speakers, mono
    background: Path | None  # as it is in the mix
    mix: Path
    report: dict[str, Any]


def make_dub(
    source: DubSource,
    turns: Sequence[Turn],
    lines: Sequence[Line],
    original: Path | None,
    duration: float,
    folder: Path,
    voices: Mapping[str, str],
    settings: VoiceSettings,
    progress: Progress = silent,
    *,
    on_screen: Sequence[Segment] | None = None,
    start_timecode: Timecode | None = None,
    kept: Pieces = NOTHING_KEPT,
) -> Dub:
    """The dub of a film of ``duration`` seconds, written into ``folder`` (its ``cache`` keeps spoken lines).

    ``lines`` carry ``translation`` where the dub is to be spoken; ``original`` is the film's own sound from project
    zero; ``voices``: speaker or line id → "engine/voice"; ``kept``: what a killed run had made already. Raises InputError, MediaError, EngineUnavailable or
    ProcessError, naming the line or file; ``settings.problems`` says what is reported instead.
    """
    if duration <= 0:
        raise InputError(f"a film lasts longer than {duration} s")
    samples = round(duration * RATE)
    problems = Problems(settings.problems)
    plan = plan_sources(source, turns, lines, duration, voices, settings, problems, lambda: progress(0, 1), kept)
    if not any(kind != "none" for kind in plan.kind.values()):
        raise InputError(
            "there is nothing to dub with: give stems, a dialogue track, a file a line, or translated subtitles"
        )
    cast = _cast(plan, turns, voices, original, settings, source.language)
    placed = place_lines(
        source,
        plan,
        duration,
        {name: casting.voice for name, casting in cast.items()} | dict(voices),
        settings,
        folder / "cache",
        problems,
        lambda done, of: progress(0.3 * done / (of or 1), 1),
    )
    source_speech = [unit.segment for unit in plan.units]

    def listening(path: Path | None) -> Track | None:
        return watched(file_track(path, samples), lambda: progress(0.3, 1)) if path else None

    own, me = listening(original), listening(source.background)
    if source.background and abs(lasts := file_samples(source.background) / RATE - duration) > MISFIT:
        rest = "it is cut there" if lasts > 0 else "the rest of the film is without it"
        problems.notes.append(
            f"the M&E ({source.background.name}) lasts {duration + lasts:.1f} s, the film {duration:.1f} s: {rest}"
        )
    heard = levels.listen(own, source_speech, me, kept) if own else None
    progress(0.4, 1)
    dialogue = build_dialogue(plan, placed, heard, samples, settings, kept)
    background = choose_background(
        source.background, original, heard, source_speech, dialogue.speech, samples, folder, settings
    )
    progress(0.5, 1)
    made = write_dub(
        dialogue, background, heard, samples, folder, settings, lambda done: progress(0.5 + 0.5 * done, 1), kept
    )
    if settings.stem_format == "bwf":
        for path in made.paths():
            write_bwf(path, start_timecode)
    progress(1, 1)

    rows = report.line_table(plan.units, made.lines, fit.slots(plan.units, duration, settings))
    return Dub(
        made.lines, made.stems, made.dialogue, made.background, made.mix,
        {
            "language": source.language,
            "lines": rows,
            "coverage": report.coverage(source_speech, dialogue.speech, on_screen),
            "loudness": made.loudness,
            "background": background.said or "none",
            "channels": background.track.channels,
            "samples": samples,
            "problems": [*problems.notes, *dialogue.notes],
            "cast": {
                name: {"voice": c.voice, "pitch_hz": round(c.pitch) if c.pitch else None, "note": c.note}
                for name, c in cast.items()
            },
            "voices": {line.source: line.licence for line in placed if line.licence},
        },
    )  # fmt: skip


def _cast(
    plan: Plan,
    turns: Sequence[Turn],
    voices: Mapping[str, str],
    original: Path | None,
    settings: VoiceSettings,
    language: str,
) -> dict[str, Casting]:
    """The voices of the speakers with lines to be spoken and no voice of their own."""
    spoken = [unit for unit in plan.units if plan.kind[unit.id] == "tts" and unit.id not in voices]
    actors: dict[str, float | None] = {}
    for name in sorted({unit.speaker for unit in spoken} - set(voices)):
        said = [turn.segment for turn in turns if turn.speaker == name]
        actors[name] = pitch_of_speaker(original, said) if original else None
    return cast_voices(actors, settings.tts, language)
