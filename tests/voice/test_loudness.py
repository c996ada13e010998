import re
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from dubkit.errors import MediaError
from dubkit.types import Segment
from dubkit.voice import limit, loudness, mix
from dubkit.voice.limit import limited
from dubkit.voice.tracks import BLOCK, RATE, Track, file_track, write_track
from tests.voice.conftest import babble, read, write


def track_of(audio: np.ndarray) -> Track:
    audio = np.atleast_2d(audio).astype(np.float32)
    return Track(len(audio), audio.shape[1], lambda: (audio[:, i : i + BLOCK] for i in range(0, audio.shape[1], BLOCK)))


def programme(channels: int, seconds: float = 25, seed: int = 0) -> np.ndarray:
    """Noise whose level changes every two seconds, with a silent stretch."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    levels = np.repeat(10 ** (rng.uniform(-45, -18, 20) / 20), 2 * RATE)[:n]
    levels[5 * RATE : 8 * RATE] = 0
    return (rng.standard_normal((channels, n)) * levels).clip(-0.9, 0.9).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_integrated_loudness_is_pyloudnorms(channels: int) -> None:
    audio, meter = programme(channels), pyloudnorm.Meter(RATE, filter_class="DeMan")
    ours = loudness.integrated(loudness.channel_energies(track_of(audio)).sum(axis=0))
    assert ours == pytest.approx(meter.integrated_loudness(audio.T.astype(np.float64)), abs=0.02)


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 6, 8])
def test_integrated_loudness_and_true_peak_are_ffmpegs(tmp_path: Path, channels: int) -> None:
    audio = programme(channels, seed=channels)
    path = write(tmp_path / "a.flac", audio, subtype="PCM_24")
    measured, peak = loudness.measure(path)
    ours = loudness.integrated(loudness.channel_energies(track_of(read(path))).sum(axis=0))
    assert ours == pytest.approx(measured, abs=0.05)
    assert 20 * np.log10(loudness.true_peak(audio)) == pytest.approx(peak, abs=0.1)


def test_a_full_scale_sine_has_the_loudness_of_the_standard() -> None:
    """BS.1770-4: 0 dBFS at 997 Hz in one front channel reads -3.01 LKFS."""
    t = np.arange(5 * RATE) / RATE
    energy = loudness.channel_energies(track_of(np.sin(2 * np.pi * 997 * t)))[0]
    assert loudness.integrated(energy) == pytest.approx(-3.01, abs=0.02)


def test_silence_and_very_short_sounds_do_not_crash() -> None:
    assert loudness.integrated(loudness.channel_energies(track_of(np.zeros(RATE)))[0]) == -np.inf
    assert np.isfinite(loudness.integrated(loudness.mono_energy(babble(0.15, 0)).steps))
    assert loudness.mono_energy(np.zeros(10, np.float32)).within([Segment(0, 1)]) == 0


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_solved_gain_brings_the_mix_to_its_target(tmp_path: Path, channels: int) -> None:
    background = track_of(programme(channels, seed=3) * 0.05)
    speech = np.concatenate([babble(5, i, level=0.1) * (i % 2) for i in range(5)])
    energies = loudness.joint_energy(background, track_of(speech), mix.placing(channels))
    gain = loudness.solve_gain(energies, -25.0)
    whole = np.concatenate(list(mix.mixed(background, track_of(speech * gain)).walk()), axis=1)
    path = write(tmp_path / "mix.flac", whole, subtype="PCM_24")
    assert loudness.measure(path)[0] == pytest.approx(-25.0, abs=0.15)
    assert loudness.solve_gain(energies, 0.0, limit=6) == pytest.approx(10 ** (6 / 20), rel=1e-3)


def test_the_meter_says_every_line_whole(tmp_path: Path) -> None:
    """Cut lines gave wrong peaks, or none, for films over a minute."""
    path = write(tmp_path / "long.flac", np.random.default_rng(0).standard_normal((1, 100 * RATE)) * 0.05)
    said = loudness._measured(path)
    for key in (rb"I=-\d+", rb"true_peak=\d+"):
        assert len(re.findall(rb"^lavfi\.r128\." + key + rb"\.\d{3}$", said, re.MULTILINE)) == 1000


def test_what_ffmpeg_cannot_measure_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"nothing")
    with pytest.raises(MediaError, match=r"measure the loudness of .*a\.flac"):
        loudness.measure(tmp_path / "a.flac")


# -------------------------------------------------------------------------------------------------------------- limiter


def test_no_true_peak_passes_the_ceiling_and_the_rest_is_untouched(tmp_path: Path) -> None:
    audio = programme(2, 30) * 0.3
    for second in (3, 9.999, 17):  # one at the border of two blocks
        at = round(second * RATE)
        audio[0, at : at + 2000] += 0.95 * np.sin(np.arange(2000) * np.pi / 2 + np.pi / 4)  # inter-sample peaks
    acted = []
    path = write_track(
        tmp_path / "a.flac", limited(track_of(audio), -1.0, [[0], [1]], lambda g, n: acted.append((g, n)))
    )
    found = read(path)
    assert loudness.measure(path)[1] <= -1.0
    assert np.array_equal(found[1], np.rint(audio[1] * 2**23) / 2**23)
    touched = np.flatnonzero(np.abs(found[0] - audio[0]) > 2**-23)
    assert {group for group, _ in acted} == {0} and len(touched) <= sum(n for _, n in acted) < 0.5 * RATE
    near = np.array([round(s * RATE) for s in (3, 9.999, 17)])
    assert all(np.min(np.abs(near - t)) < 4000 for t in touched)


def test_channels_of_a_group_get_the_same_gain() -> None:
    audio = np.array([babble(3, 1, level=1.2), babble(3, 2, level=0.1)])
    found = np.concatenate(list(limited(track_of(audio), -3.0, [[0, 1]]).walk()), axis=1)
    loud = np.abs(audio).min(axis=0) > 0.01
    gains = found[:, loud] / audio[:, loud]
    assert np.allclose(gains[0], gains[1], atol=1e-4) and gains.min() < 0.7
    assert loudness.true_peak(found) <= 10 ** (-3 / 20)


def test_sound_under_the_ceiling_is_the_same_object_of_samples() -> None:
    audio = programme(2, 12) * 0.5
    assert np.array_equal(np.concatenate(list(limited(track_of(audio), -1.0, [[0, 1]]).walk()), axis=1), audio)


def test_measuring_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.flac"):
        file_track(tmp_path / "gone.flac", 10)


@pytest.mark.parametrize("seed", range(3))
def test_only_where_it_may_be_too_loud_is_sound_oversampled_and_the_gain_is_the_same(seed: int, monkeypatch) -> None:
    rng = np.random.default_rng(seed)
    audio = rng.standard_normal((2, 3 * RATE)).astype(np.float32) * 0.05
    for at in rng.integers(0, audio.shape[1] - 400, 12):  # short and loud, some at the edges of the blocks
        start = int(at) // 960 * 960 + int(rng.integers(-30, 30))
        audio[:, max(0, start) : max(0, start) + 300] *= 9
    audio[:, -40:] *= 9
    ceiling, seen = 10 ** (-3.1 / 20), []
    peaks = limit.oversampled_peaks
    monkeypatch.setattr(limit, "oversampled_peaks", lambda block: seen.append(block.shape[1]) or peaks(block))
    near = limit._gain(audio, ceiling, oversample=True)
    assert 0 < sum(seen) < audio.shape[1] / 4
    monkeypatch.setattr(limit, "_stretches", lambda loud: [(0, len(loud))])
    assert near.min() < 1 and np.array_equal(near, limit._gain(audio, ceiling, oversample=True))
