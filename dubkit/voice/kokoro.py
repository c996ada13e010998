"""Kokoro-82M by path, through kokoro-onnx: nine languages, natural; weights Apache-2.0, fetched by the user.

``kokoro/FOLDER#af_heart``: the folder holds ``kokoro-v1.0.onnx`` and ``voices-v1.0.bin`` (names of the kokoro-onnx
release files); after the '#' stands one of its voices, whose first letter is its language.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dubkit.errors import EngineUnavailable, SettingsError

# First letter of a voice's name → (our language, the code that Kokoro's phonemizer takes), from Kokoro's VOICES.md.
_LANGUAGES = {"a": ("en", "en-us"), "b": ("en", "en-gb"), "e": ("es", "es"), "f": ("fr", "fr-fr"), "h": ("hi", "hi"),
              "i": ("it", "it"), "j": ("ja", "ja"), "p": ("pt", "pt-br"), "z": ("zh", "cmn")}  # fmt: skip


class KokoroVoice:
    """24 kHz mono."""

    licence = "Kokoro-82M, Apache-2.0; kokoro-onnx, MIT (its phonemizer uses eSpeak NG, GPL-3)"

    def __init__(self, voice: str = "", timeout: float = 60.0):
        folder, _, self.voice = voice.partition("#")
        if not folder or self.voice[:1] not in _LANGUAGES:
            raise SettingsError(f"write a Kokoro voice as kokoro/FOLDER#af_heart, got 'kokoro/{voice}'")
        found = {part: sorted(Path(folder).glob(part)) for part in ("kokoro*.onnx", "voices*.bin")}
        for part, paths in found.items():
            if not paths:
                raise EngineUnavailable(
                    "kokoro",
                    f"there is no {part} in {folder}",
                    "fetch kokoro-v1.0.onnx and voices-v1.0.bin from the releases of kokoro-onnx into that folder",
                )
        from kokoro_onnx import Kokoro

        self.name = f"kokoro/{voice}"
        language, self._code = _LANGUAGES[self.voice[0]]
        self.languages = (language,)
        self._speaker = Kokoro(str(found["kokoro*.onnx"][0]), str(found["voices*.bin"][0]))

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        audio, rate = self._speaker.create(text, voice=self.voice, lang=self._code)
        return np.asarray(audio, np.float32).reshape(-1), rate
