"""The mel against the public code's and librosa's, its windows, and audio nobody should feed it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.lips.mel import (
    SILENCE,
    frame_windows,
    mel_filters,
    melspectrogram,
    num_steps,
    window_start,
    windows,  # fmt: skip
)

GOLDEN = Path(__file__).parent.parent / "golden" / "wav2lip_reference.npz"


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)


def test_equals_the_public_code():
    golden = np.load(GOLDEN)
    mel = melspectrogram(golden["audio"].astype(np.float32) / 32768)
    assert mel.shape == golden["mel"].shape and mel.dtype == np.float32
    assert np.abs(mel - golden["mel"]).max() <= 1e-4


def test_filters_equal_librosa():
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    assert np.abs(mel_filters() - theirs).max() < 1e-7


def test_any_piece_is_what_the_whole_holds_there():
    audio = noise(3.3)
    whole = melspectrogram(audio)
    assert whole.shape == (80, num_steps(len(audio)))
    for start, stop in [(0, 5), (7, 8), (100, 265), (260, 265), (11, 11)]:
        assert np.allclose(melspectrogram(audio, start, stop), whole[:, start:stop], rtol=0, atol=1e-5)


def test_blocks_leave_no_seam(monkeypatch):
    audio = noise(2)
    whole = melspectrogram(audio)
    monkeypatch.setattr("dubkit.lips.mel._BLOCK_STEPS", 17)
    assert np.allclose(melspectrogram(audio), whole, rtol=0, atol=1e-5)


def test_silence_is_the_lowest_value():
    assert np.all(melspectrogram(np.zeros(16000, np.float32)) == SILENCE)


@pytest.mark.parametrize("samples", [0, 1, 2, 199, 200, 401])
def test_audio_shorter_than_a_window(samples):
    mel = melspectrogram(noise(1)[:samples])
    assert mel.shape == (80, 1 + samples // 200) and np.isfinite(mel).all()


def test_bad_audio_is_named():
    audio = noise(1)
    audio[8000] = np.nan
    with pytest.raises(InputError, match=r"sample 8000 \(0.500 s\)"):
        melspectrogram(audio)
    with pytest.raises(InputError, match="one channel"):
        melspectrogram(np.zeros((2, 100), np.float32))
    with pytest.raises(InputError, match="outside"):
        melspectrogram(noise(1), 0, 1000)


def test_windows_start_where_training_put_them():
    # the training code: int(80 * (frame - 1) / 25), from the second frame on
    assert [window_start(f, Fraction(25)) for f in range(1, 200)] == [int(80 * (f - 1) / 25) for f in range(1, 200)]
    assert window_start(0, Fraction(25)) == -4
    # 24000/1001, frame 24000 is at exactly 1001 s: 80 * 1000.96 = 80076.8
    assert window_start(24000, Fraction(24000, 1001)) == 80076
    assert window_start(30, Fraction(30)) == 76  # 80 * 0.96 = 76.8


@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60"])
def test_as_many_windows_as_frames(rate):
    rate, mel = Fraction(rate), melspectrogram(noise(2))
    frames = range(int(2 * rate) + 5)  # picture a little longer than sound
    assert frame_windows(mel, frames, rate).shape == (len(frames), 1, 80, 16)


def test_both_ends_are_padded():
    mel = np.tile(np.arange(20, dtype=np.float32), (80, 1))
    cut = windows(mel, [-4, 3, 10, 40])
    assert cut[0, 0, 0].tolist() == [4, 3, 2, 1, *range(12)]
    assert cut[1, 0, 0].tolist() == list(range(3, 19))
    assert cut[2, 0, 0].tolist() == [*range(10, 20)] + [SILENCE] * 6
    assert np.all(cut[3] == SILENCE)
