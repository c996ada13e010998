from pathlib import Path

import numpy as np
import pytest
import soundfile

from dubkit.media.audio import read_audio, write_audio
from dubkit.media.pcm import to_int24


def test_full_scale_and_beyond() -> None:
    assert (to_int24(np.array([0.0, 1.0, -1.0, 5.0, -5.0])) >> 8).tolist() == [
        0,
        2**23 - 1,
        -(2**23),
        2**23 - 1,
        -(2**23),
    ]


@pytest.mark.parametrize("bits", [16, 24])
def test_flac_gives_back_the_samples_of_the_source(tmp_path: Path, bits: int) -> None:
    steps = np.random.default_rng(0).integers(-(1 << (bits - 1)), 1 << (bits - 1), (4000, 6)).astype(np.int32)
    soundfile.write(tmp_path / "a.wav", steps << (32 - bits), 48_000, subtype=f"PCM_{bits}")
    write_audio(tmp_path / "b.flac", read_audio(tmp_path / "a.wav", sample_rate=48_000), 48_000)
    found, _ = soundfile.read(tmp_path / "b.flac", dtype="int32")
    assert np.array_equal(found, steps << (32 - bits))
