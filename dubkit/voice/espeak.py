"""eSpeak NG: about a hundred languages, robotic. GPL-3, so it always runs as a separate program.

``espeak/es``, ``espeak/en-us+f3`` (a variant: m1..m8, f1..f5), ``espeak`` or ``espeak/+f2`` (the dub's language). The
program ``espeak-ng`` is used where it is installed; otherwise the library that the package espeakng-loader carries is
loaded by a small Python program of its own (``espeak_library.py``).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dubkit import process
from dubkit.errors import EngineUnavailable, InputError, ProcessError
from dubkit.voice.base import Offer, primary
from dubkit.voice.command import decode


class EspeakVoice:
    """22.05 kHz mono. The default speed is 165 words a minute, a calm film dialogue."""

    licence = "eSpeak NG, GPL-3.0-or-later, run as a separate program; the sound it makes is free"
    languages = None

    def __init__(self, voice: str = "", timeout: float = 60.0, words_per_minute: int = 165):
        self.language, _, self.variant = voice.partition("+")
        self.name, self.timeout, self.speed = f"espeak/{voice}" if voice else "espeak", timeout, words_per_minute
        self.program = shutil.which("espeak-ng") or shutil.which("espeak")
        if self.program is None and find_spec("espeakng_loader") is None:
            raise EngineUnavailable(
                "espeak",
                "neither the program espeak-ng nor the package espeakng-loader is here",
                "apt install espeak-ng (brew install espeak-ng; winget install eSpeak-NG), or pip install espeakng-loader",
            )

    @staticmethod
    def offered(language: str) -> tuple[Offer, ...]:
        """Variants that sound least alike; they exist in every language."""
        low, high = ("espeak", "espeak/+m3", "espeak/+m8", "espeak/+m1"), ("espeak/+f2", "espeak/+f5", "espeak/+f1")
        return tuple(Offer(name, name in high) for name in (*low, *high))

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        tags = [self.language] if self.language else list(dict.fromkeys((language.lower(), primary(language))))
        for tag in tags:
            try:
                return self._speak(text, tag + (f"+{self.variant}" if self.variant else ""))
            except ProcessError as error:
                if "voice" not in error.last_words.lower() or "exist" not in error.last_words.lower():
                    raise
        raise InputError(f"eSpeak NG has no voice '{tags[-1]}'; 'espeak-ng --voices' lists those it has")

    def _speak(self, text: str, voice: str) -> tuple[np.ndarray, int]:
        # The program gets the text through standard input: a line that starts with '-' is no option there.
        with tempfile.TemporaryDirectory(prefix="dubkit-voice-") as folder:
            wav = Path(folder, "line.wav")
            if self.program:
                command = [self.program, "-b", "1", "-v", voice, "-s", str(self.speed), "-w", wav, "--stdin"]
            else:
                command = [sys.executable, Path(__file__).with_name("espeak_library.py"), voice, str(self.speed), wav]
            process.run(command, stdin=text.encode("utf-8"), timeout=self.timeout)
            if not wav.is_file():
                raise InputError(f"eSpeak NG wrote no sound for the voice '{voice}'")
            return decode(wav.read_bytes(), "eSpeak NG")
