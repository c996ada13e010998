"""A voice that babbles 0.06 s a character, and a separator that keeps a tenth: for tests only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from dubkit.errors import ProcessError

SAID: list[str] = []


class FakeVoice:
    """``fake``; ``fake/fails``; ``fake/noise``; ``fake/silence``; ``fake/nan``; ``fake/loud``; ``fake/endless``."""

    licence = "test"
    languages = None

    def __init__(self, voice: str = "", timeout: float = 60.0):
        self.name, self.kind = f"fake/{voice}", voice

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        SAID.append(text)
        rate, n = 24_000, round(0.06 * len(text) * 24_000)
        t = np.arange(n) / rate
        sound = 0.3 * sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 12)) * (0.6 + 0.4 * np.sin(30 * t))
        if self.kind == "fails":
            raise ProcessError("fake", 3, "no licence server")
        if self.kind == "noise":
            sound = np.random.default_rng(0).uniform(-1, 1, n)
        if self.kind == "silence":
            sound = np.zeros(n)
        if self.kind == "nan":
            sound[10] = np.nan
        if self.kind == "loud":
            sound = sound * 4
        if self.kind == "endless":
            sound = np.tile(sound, 100)
        return sound.astype(np.float32), rate


class TenthSeparator:
    """Not a separator: a tenth of everything, so that a test sees which channels went through it."""

    name = "tenth"
    part = 600.0

    def __init__(self, model: str | None = None) -> None: ...

    def without_speech(self, mix: Path, output: Path) -> None:
        audio, rate = soundfile.read(mix, dtype="float32", always_2d=True)
        soundfile.write(output, audio * 0.1, rate, subtype="FLOAT")
