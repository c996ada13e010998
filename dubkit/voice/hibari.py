"""Hibari: small English voices distilled from Kokoro; "heart" is inside the package, so no download is needed."""

from __future__ import annotations

import numpy as np

from dubkit.errors import EngineUnavailable, SettingsError
from dubkit.voice.base import Offer


class HibariVoice:
    """24 kHz, about a hundred times faster than real time on one core. ``voice``: heart, emma, fenrir ..."""

    licence = "Apache-2.0 (code and weights)"
    languages = ("en",)

    def __init__(self, voice: str = "", timeout: float = 60.0):
        from hibari import Hibari
        from hibari.voices import DEFAULT, voice_path
        from hibari.voices import VOICES as NAMES

        voice = voice or DEFAULT
        if voice not in NAMES:
            raise SettingsError(f"Hibari has no voice '{voice}'; it has: {', '.join(NAMES)}")
        try:
            voice_path(voice, download_missing=False)
        except FileNotFoundError as error:
            raise EngineUnavailable(
                f"hibari/{voice}",
                f"its model is not on this machine ({error})",
                f"""run  hibari --voice {voice} "hello" hello.wav  once with a network, or copy the model to that path""",
            ) from error
        self.name = f"hibari/{voice}"
        self._speaker = Hibari(voice=voice)

    @staticmethod
    def offered(language: str) -> tuple[Offer, ...]:
        from hibari.voices import VOICES as NAMES
        from hibari.voices import voice_path

        found = []
        for name, about in NAMES.items() if language == "en" else ():
            try:
                voice_path(name, download_missing=False)
            except FileNotFoundError:
                continue
            found.append(Offer(f"hibari/{name}", about["gender"] == "female"))
        return tuple(found)

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        return np.asarray(self._speaker(text, seed=0), np.float32), self._speaker.sample_rate
