"""Default voices: each character without a voice of their own gets one, by what was heard of the actor and by name.

A voice is taken from those that the engine offers for the language: low ones for low actors, high ones for high actors.
Which of them a character gets depends on the name first, so that the same character sounds the same in every reel and,
where the engine is the same, in every language; only where two characters would share a voice does the second move on.
``[[cast]] voice`` in the project overrules all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from dubkit.digest import value_digest
from dubkit.errors import EngineUnavailable
from dubkit.voice import base
from dubkit.voice.pitch import HIGH_VOICE

# "auto": the voices of all natural engines that are installed and speak the language, in this order. eSpeak NG, which
# is robotic, only where there is none.
NATURAL = ("hibari", "kokoro-wheels", "piper")
LAST = "espeak"


@dataclass(frozen=True, slots=True)
class Casting:
    """The default voice of one character, and why."""

    voice: str  # "engine/voice"
    pitch: float | None = None  # Hz of the actor; None where it could not be heard
    note: str = ""


def offers(spec: str, language: str) -> tuple[base.Offer, ...]:
    """The voices that ``auto`` or an engine's name stands for; none where ``spec`` names one voice already."""
    if spec == "auto":
        natural = tuple(offer for engine in NATURAL for offer in _offered(engine, language))
        return natural or _offered(LAST, language)
    return _offered(spec, language)


def cast_voices(actors: Mapping[str, float | None], spec: str, language: str) -> dict[str, Casting]:
    """A voice for every character. ``actors``: name → resting pitch of the actor in Hz, None where it is unknown;
    ``spec``: the setting ``voice.tts``."""
    pool = offers(spec, language)
    if not pool:
        return {name: Casting(spec, pitch) for name, pitch in actors.items()}
    uses = dict.fromkeys((offer.voice for offer in pool), 0)
    chosen = {}
    for name in sorted(actors):
        pitch = actors[name]
        fitting = [offer.voice for offer in pool if pitch is None or offer.high == (pitch >= HIGH_VOICE)]
        voices = fitting or [offer.voice for offer in pool]
        first = int(value_digest(name)[:8], 16) % len(voices)
        voice = min(voices[first:] + voices[:first], key=lambda voice: uses[voice])
        kind = "high" if pitch and pitch >= HIGH_VOICE else "low"
        note = "" if fitting else f"no {kind} voice is installed for '{language}'; name one in [[cast]]"
        if uses[voice]:
            note = note or "another character has the same voice; name one in [[cast]]"
        uses[voice] += 1
        chosen[name] = Casting(voice, pitch, note)
    return chosen


def _offered(engine: str, language: str) -> tuple[base.Offer, ...]:
    if engine not in base.VOICES:
        return ()
    module, _, name = base.VOICES[engine].target.partition(":")
    try:
        offered = getattr(getattr(import_module(module), name), "offered", None)
        return offered(base.primary(language)) if offered else ()
    except (ImportError, EngineUnavailable):
        return ()
