"""AAC in parts: heard as one, of the right length, and a killed run encodes no part again."""

import av
import numpy as np
import pytest
import soundfile

from dubkit.media import aac
from dubkit.media.audio import read_audio
from tests.fakes.killed import Dying

RATE, SAMPLES = 48_000, 48_000 * 6 + 333


def sound(channels=2):
    """(C, SAMPLES): chords that swell, with a blow every 0.37 s (short windows) and hiss."""
    rng, t = np.random.default_rng(0), np.arange(SAMPLES) / RATE
    chords = sum(np.sin(2 * np.pi * f * t + f) for f in (110, 277, 440, 1318)) * (0.03 + 0.02 * np.sin(t))
    blows = 0.3 * np.exp(-40 * (t % 0.37)) * rng.standard_normal(SAMPLES)
    return np.array([chords + blows * (0.5 + 0.5 * c) + 0.002 * rng.standard_normal(SAMPLES) for c in range(channels)])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("aac") / "mix.flac"
    soundfile.write(path, sound().T, RATE, subtype="PCM_24")
    return path


def rms(audio):
    return float(np.sqrt((audio**2).mean()))


def decoded(path):
    return read_audio(path, sample_rate=RATE, duration=SAMPLES / RATE)


def test_parts_sound_as_one_encoder_would(source, tmp_path, monkeypatch):
    whole = decoded(aac.write_aac(source, tmp_path / "whole.m4a", SAMPLES, 256_000))
    monkeypatch.setattr(aac, "PART", 37)
    joined = decoded(aac.write_aac(source, tmp_path / "parts.m4a", SAMPLES, 256_000))
    assert whole.shape == joined.shape == (2, SAMPLES)
    wrong, wrong_joined = np.abs(whole - sound()), np.abs(joined - sound())
    assert (
        rms(wrong_joined) < 1.1 * rms(wrong) < 0.4 * rms(sound())
    )  # a frame too early or too late: 1.4 times the sound
    joins = [slice((frame - 2) * aac.FRAME, (frame + 1) * aac.FRAME) for frame in range(37, SAMPLES // aac.FRAME, 37)]
    at_joins = np.concatenate([wrong_joined[:, join] for join in joins], axis=1)
    elsewhere = np.concatenate([wrong[:, join] for join in joins], axis=1)
    assert len(joins) == 7 and at_joins.max() < 1.5 * elsewhere.max() and rms(at_joins) < 1.3 * rms(elsewhere)


@pytest.mark.parametrize("left", [1, 3, 6])
def test_a_killed_run_goes_on_with_its_part(source, tmp_path, monkeypatch, left):
    monkeypatch.setattr(aac, "PART", 41)

    def made(folder, kept):
        path = aac.write_aac(source, tmp_path / folder / "sound.m4a", SAMPLES, 256_000, kept)
        assert [other.name for other in path.parent.iterdir()] == ["sound.m4a"]
        return path.read_bytes()

    alone, again = Dying(None), Dying(None)
    whole = made("alone", alone)
    assert len(alone.made) == 7
    with pytest.raises(KeyboardInterrupt):
        made("killed", Dying(tmp_path / "unfinished", left))
    again = Dying(tmp_path / "unfinished")
    assert made("killed", again) == whole and again.made == alone.made[left:]


@pytest.mark.parametrize("samples", [801, 1024, 1025, 5000])
def test_short_sound_and_silence_after_its_end(tmp_path, samples):
    soundfile.write(tmp_path / "a.flac", np.full((2000, 1), 0.1), RATE, subtype="PCM_24")
    path = aac.write_aac(tmp_path / "a.flac", tmp_path / "a.m4a", samples, 128_000)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.duration * stream.time_base * RATE == samples and stream.codec_context.layout.name == "mono"
