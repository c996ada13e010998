"""Lines made one by one (spoken, or given as one file a line): voiced, fitted into their slots, kept as clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit.digest import value_digest
from dubkit.errors import EngineUnavailable, InputError, ProcessError
from dubkit.progress import Progress
from dubkit.settings import VoiceSettings
from dubkit.types import Line, Segment
from dubkit.voice import fit as timing
from dubkit.voice.base import Voice, open_voice
from dubkit.voice.recordings import Problems
from dubkit.voice.sources import DubSource, Plan, line_file
from dubkit.voice.speak import keep, spoken
from dubkit.voice.stretch import stretch
from dubkit.voice.text import speakable
from dubkit.voice.tracks import RATE, load_mono

VERSION = 1  # of the fitting, part of a fitted clip's name


@dataclass(frozen=True, slots=True)
class Placed:
    """A line's sound on disk (mono, 48 kHz, level untouched) and where it goes."""

    unit: Line
    path: Path
    segment: Segment
    natural: float  # seconds
    stretch: float  # 1 / speed: 0.9 is faster, 1.1 slower
    source: str
    text: str
    notes: tuple[str, ...]
    licence: str = ""


def place_lines(
    source: DubSource,
    plan: Plan,
    duration: float,
    voices: Mapping[str, str],
    settings: VoiceSettings,
    cache: Path,
    problems: Problems,
    progress: Progress,
) -> list[Placed]:
    """All lines of kind "tts" and "file". A line whose voice fails stops the dub, is left out and reported, or is
    spoken by the fallback voice, as the settings say."""
    slots = timing.slots(plan.units, duration, settings)
    wanted = [unit for unit in plan.units if plan.kind[unit.id] in ("tts", "file")]
    opened: dict[str, Voice] = {}
    placed: list[Placed] = []

    def voice_for(spec: str) -> Voice:
        if spec not in opened:
            opened[spec] = open_voice(spec, source.language, timeout=settings.timeout)
        return opened[spec]

    for number, unit in enumerate(wanted):
        progress(number, len(wanted))
        if slots[unit.id].segment.start >= duration:
            problems.meet(f"line {unit.id} starts after the film's end", "leaves it out")
            continue
        text = speakable(unit.translation or "")
        if plan.kind[unit.id] == "file":
            audio = timing.trimmed(load_mono(line_file(source, unit)))
            origin, licence = "file", ""
            if not len(audio):
                problems.meet(f"the sound file of line {unit.id} is silent", "leaves the line without a dub")
                continue
        else:
            spec = voices.get(unit.id) or voices.get(unit.speaker) or settings.tts
            found = _speak(unit, text, spec, voice_for, source.language, cache, settings, problems)
            if found is None:
                continue
            audio, voice = found
            origin, licence = f"tts:{voice.name}", voice.licence
        placed.append(_fit(unit, audio, text, origin, licence, slots[unit.id], settings, cache))
    progress(len(wanted), len(wanted))
    return placed


def _speak(unit, text, spec, voice_for, language, cache, settings, problems) -> tuple[np.ndarray, Voice] | None:
    try:
        voice = voice_for(spec)
        return spoken(text, language, voice, cache), voice
    except (InputError, ProcessError, EngineUnavailable) as error:
        what = f"line {unit.id} of {unit.speaker} could not be spoken by '{spec}': {error}"
        if settings.problems == "stop" and isinstance(error, EngineUnavailable):
            raise
        mended = f"lets '{settings.fallback}' speak it" if settings.fallback and settings.fallback != spec else None
        if problems.meet(what, "leaves the line without a dub", mended):
            voice = voice_for(settings.fallback)
            return spoken(text, language, voice, cache), voice
        return None


def _fit(unit, audio, text, origin, licence, slot, settings, cache) -> Placed:
    natural = len(audio) / RATE
    tight = timing.tightened(audio)
    plan = timing.fit(natural, len(tight) / RATE, slot, text, settings, recorded=origin == "file")
    taken = tight if plan.tighten else audio
    samples = round(plan.length * RATE)
    name = value_digest([VERSION, audio.tobytes(), plan.tighten, plan.speed, samples, settings.stretcher])
    path = cache / f"{name}.flac"
    if not path.is_file():
        keep(path, timing.cut_to(stretch(taken, plan.speed, settings.stretcher), samples))
    start = slot.segment.start
    segment = Segment(start, start + samples / RATE)
    return Placed(unit, path, segment, natural, round(1 / plan.speed, 4), origin, text, plan.notes, licence)
