"""Lines spoken by a voice, kept by what was asked: changing one line speaks one line.

The name of a kept file is the digest of the voice's name, the language and the text, so that a change back finds the
old sound again. What a voice gives is checked before it is kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dubkit.digest import value_digest
from dubkit.errors import InputError
from dubkit.voice.base import Voice
from dubkit.voice.fit import trimmed
from dubkit.voice.tracks import RATE, Track, load_mono, write_track

VERSION = 3  # of what is done to a voice's sound before it is kept
LOUDEST = 0.98  # a voice that goes beyond full scale is made softer, not cut off; its level is set later anyway
FLAT = 0.5  # spectral flatness (Wiener entropy) of noise is near 1, of speech under 0.1


def spoken(text: str, language: str, voice: Voice, cache: Path) -> np.ndarray:
    """The line at its natural rate, 48 kHz float32 (N,), without silence at its ends.

    Raises InputError, naming the voice and the text, when what the voice gave cannot be speech.
    """
    path = cache / f"{value_digest([VERSION, voice.name, language, text])}.flac"
    if not path.is_file():
        audio, rate = voice.speak(text, language)
        audio = trimmed(at_48k(checked(audio, rate, text, voice.name), rate))
        keep(path, audio / max(1.0, float(np.abs(audio).max(initial=0)) / LOUDEST))
    return load_mono(path)


def keep(path: Path, audio: np.ndarray) -> Path:
    """Writes a short mono sound."""
    return write_track(path, Track(1, len(audio), lambda: iter([audio[None]])))


def at_48k(audio: np.ndarray, rate: int) -> np.ndarray:
    import soxr

    return audio.astype(np.float32) if rate == RATE else soxr.resample(audio.astype(np.float32), rate, RATE, "VHQ")


def checked(audio: np.ndarray, rate: int, text: str, who: str) -> np.ndarray:
    """``audio``, or InputError: empty, silent, not finite, noise, or of a length that such a text cannot have."""
    from scipy.signal import welch

    def refuse(what: str) -> InputError:
        return InputError(f"the voice '{who}' gave {what} for '{text[:60]}'; try another voice or text for this line")

    audio = np.asarray(audio, np.float32).reshape(-1)
    if not 4000 <= rate <= 384_000:
        raise refuse(f"a sample rate of {rate} Hz")
    if not len(audio):
        raise refuse("no sound")
    if not np.isfinite(audio).all():
        raise refuse("numbers that are not finite")
    audio = audio - audio.mean()
    if np.abs(audio).max() < 1e-3:
        raise refuse("silence")
    seconds, letters = len(audio) / rate, sum(sign.isalnum() for sign in text)
    if seconds < 0.015 * letters or seconds > 5 + 1.0 * len(text):
        raise refuse(f"{seconds:.1f} s of sound, which does not fit {letters} letters,")
    power = welch(audio, rate, nperseg=min(1024, len(audio)))[1][1:] + 1e-20
    if np.exp(np.log(power).mean()) / power.mean() > FLAT:
        raise refuse("noise")
    return audio
