"""Any program as a voice: a studio's own TTS, a cloned voice, a wrapper around a web service.

``command/mytts --voice anna --lang {language} --out {wav}`` — the words after the slash are split like a shell would,
but no shell runs. Placeholders: ``{text}``, ``{text_file}`` (UTF-8), ``{wav}`` (where the program writes),
``{language}``. Without a text placeholder the text goes to standard input; without ``{wav}`` the WAV comes from
standard output.
"""

from __future__ import annotations

import io
import shlex
import sys
import tempfile
from pathlib import Path

import numpy as np

from dubkit import process
from dubkit.errors import InputError, ProcessError, SettingsError


class CommandVoice:
    """Text in, WAV (or FLAC, or anything libsndfile reads) out."""

    licence = "as the command's owner says"
    languages = None

    def __init__(self, voice: str, timeout: float = 60.0):
        try:
            self.arguments = _words(voice)
        except ValueError as error:
            raise SettingsError(f"the voice 'command/{voice}' is no command line: {error}") from error
        if not self.arguments:
            raise SettingsError("the voice 'command' needs a program: command/mytts --lang {language} --out {wav}")
        self.name, self.timeout = f"command/{voice}", timeout

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory(prefix="dubkit-voice-") as folder:
            wav, text_file = Path(folder, "line.wav"), Path(folder, "line.txt")
            text_file.write_text(text, encoding="utf-8")
            values = {"{text}": text, "{text_file}": str(text_file), "{wav}": str(wav), "{language}": language}
            asked = " ".join(self.arguments)
            stdin = None if "{text}" in asked or "{text_file}" in asked else text.encode("utf-8")
            try:
                out = process.run([_fill(a, values) for a in self.arguments], stdin=stdin, timeout=self.timeout)
            except ProcessError as error:
                raise ProcessError(f"voice command {self.arguments[0]}", error.returncode, error.last_words) from error
            if "{wav}" in asked:
                if not wav.is_file():
                    raise InputError(f"the voice command {self.arguments[0]} ended well but wrote no file at {{wav}}")
                out = wav.read_bytes()
        return decode(out, f"the voice command {self.arguments[0]}")


def _words(text: str) -> list[str]:
    """Words as the system's shell parts them. On Windows a backslash parts folders, and only double quotes keep spaces."""
    if sys.platform != "win32":
        return shlex.split(text)
    words = shlex.shlex(text, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters, words.escape, words.quotes = True, "", "", '"'
    return list(words)


def _fill(argument: str, values: dict[str, str]) -> str:
    """Placeholders replaced in one pass, so that a '{wav}' inside the text stays text."""
    for name, value in values.items():
        if name in argument:
            head, _, tail = argument.partition(name)
            return _fill(head, values) + value + _fill(tail, values)
    return argument


def decode(data: bytes, who: str) -> tuple[np.ndarray, int]:
    """Mono float32 (N,) and rate of a sound file's bytes. Raises InputError saying what came instead."""
    import soundfile

    try:
        audio, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        start = data[:40].decode("utf-8", "replace").strip()
        raise InputError(
            f"{who} gave {len(data)} bytes that are not a sound file" + (f" (they start '{start}')" if start else "")
        ) from error
    return audio.mean(axis=1), rate
