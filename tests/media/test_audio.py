"""Sound: exact lengths and places, slices of a whole, channel mixes, and refusals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from dubkit.errors import InputError, MediaError
from dubkit.media.audio import blocks, extract, read_audio, write_audio
from dubkit.media.probe import probe
from tests.media.recipes import beep_times, make_film


def tone(seconds: float, rate: int, channels: int = 1, frequency: float = 440.0) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave * (0.5**c) for c in range(channels)]).astype(np.float32)


@pytest.mark.parametrize("suffix, tolerance", [(".wav", 0.0), (".flac", 2.0**-23)])
def test_written_and_read_again(tmp_path, suffix, tolerance):
    sound = tone(0.7, 44_100, 2)
    write_audio(tmp_path / f"a{suffix}", sound, 44_100)
    again = read_audio(tmp_path / f"a{suffix}", sample_rate=44_100)
    assert again.dtype == np.float32 and again.shape == sound.shape
    assert np.abs(again - sound).max() <= tolerance
    assert soundfile.info(tmp_path / f"a{suffix}").subtype == ("FLOAT" if suffix == ".wav" else "PCM_24")


@pytest.mark.parametrize(
    "source, wanted", [(44_100, 48_000), (48_000, 16_000), (16_000, 48_000), (48_000, 44_100), (22_050, 16_000)]
)
def test_resampling_keeps_length_place_and_level(tmp_path, source, wanted):
    write_audio(tmp_path / "a.wav", tone(1.3, source), source)
    sound = read_audio(tmp_path / "a.wav", sample_rate=wanted)
    assert abs(sound.shape[1] - round(1.3 * wanted)) <= 1
    ideal = tone(1.3, wanted)[:, : sound.shape[1]]
    inner = slice(wanted // 10, -wanted // 10)
    assert np.abs(sound[:, inner] - ideal[:, inner]).max() < 1e-4


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.mov", "dub.flac"])
@pytest.mark.parametrize("rate", [48_000, 16_000])
def test_a_part_is_a_slice_of_the_whole(tmp_path, name, rate):
    path = tmp_path / name
    if name == "dub.flac":
        write_audio(path, np.random.default_rng(0).normal(0, 0.1, (2, 48_000 * 6)).astype(np.float32), 48_000)
    else:
        make_film(path, frames=150, flashes=range(5, 150, 10), sound_codec="pcm_s16le" if name == "film.mov" else "aac")
    whole = read_audio(path, sample_rate=rate)
    for start, duration in ((0.0, 0.5), (0.731, 0.4), (3.3337, 1.21), (5.5, 0.25)):
        part = read_audio(path, sample_rate=rate, start=start, duration=duration)
        first = round(start * rate)
        assert part.shape[1] == round(duration * rate)
        # AAC fills noisy bands with random numbers that depend on where decoding began.
        tolerance = 0.02 if name in ("film.mp4", "film.ts") else 1e-5
        np.testing.assert_allclose(part, whole[:, first : first + part.shape[1]], atol=tolerance)


def test_beyond_the_end_there_is_silence(tmp_path):
    write_audio(tmp_path / "a.wav", tone(1.0, 16_000), 16_000)
    part = read_audio(tmp_path / "a.wav", sample_rate=16_000, start=0.9, duration=0.5)
    assert part.shape == (1, 8_000) and np.abs(part[:, 1_600:]).max() == 0 and np.abs(part[:, :1_500]).max() > 0.4
    assert read_audio(tmp_path / "a.wav", sample_rate=8_000, start=9.0, duration=0.5).shape == (1, 4_000)


def test_blocks_are_the_whole_in_small_pieces(tmp_path):
    write_audio(tmp_path / "a.flac", tone(20, 48_000, 2), 48_000)
    parts = list(blocks(tmp_path / "a.flac", sample_rate=16_000, channels=1))
    assert max(part.shape[1] for part in parts) <= 1 << 16 and len(parts) > 10
    np.testing.assert_array_equal(
        np.concatenate(parts, 1), read_audio(tmp_path / "a.flac", sample_rate=16_000, channels=1)
    )


def test_mixing_down_and_up(tmp_path):
    write_audio(tmp_path / "stereo.wav", tone(0.2, 48_000, 2), 48_000)
    stereo = read_audio(tmp_path / "stereo.wav", sample_rate=48_000)
    np.testing.assert_allclose(
        read_audio(tmp_path / "stereo.wav", sample_rate=48_000, channels=1)[0], stereo.mean(0), atol=1e-6
    )
    write_audio(tmp_path / "mono.wav", tone(0.2, 48_000), 48_000)
    assert read_audio(tmp_path / "mono.wav", sample_rate=48_000, channels=2).shape[0] == 2
    six = np.zeros((6, 4_800), np.float32)
    six[2] = 0.5  # centre: where dialogue is
    soundfile.write(tmp_path / "six.wav", six.T, 48_000, format="WAVEX", subtype="FLOAT")
    assert probe(tmp_path / "six.wav").audio[0].layout.startswith("5.1")
    mono = read_audio(tmp_path / "six.wav", sample_rate=48_000, channels=1)
    assert mono.shape == (1, 4_800) and mono.max() == pytest.approx(0.5 / (1 + 2 * 0.7071 + 2 * 0.5), rel=1e-3)
    with pytest.raises(MediaError, match="6 channels; 2 can be made"):
        read_audio(tmp_path / "six.wav", sample_rate=48_000, channels=2)


@pytest.mark.parametrize(
    "suffix, codec", [(".mp4", "aac"), (".mkv", "aac"), (".ts", "aac"), (".mov", "pcm_s16le"), (".mkv", "libopus")]
)
@pytest.mark.parametrize("delay", ["none", "sound", "picture"])
def test_extracted_sound_begins_at_project_zero(tmp_path, suffix, codec, delay):
    delays = {"none": {}, "sound": {"sound_delay": 0.4}, "picture": {"picture_delay": Fraction(10, 25)}}[delay]
    media = probe(make_film(tmp_path / f"film{suffix}", frames=50, flashes=[25], sound_codec=codec, **delays))
    extract(media, tmp_path / "out.flac", sample_rate=48_000)
    expected = 1.0 + {"none": 0.0, "sound": 0.4, "picture": -0.4}[delay]
    # Transport streams and ffmpeg's own encoders may be off by the encoder's delay, far less than a frame.
    assert beep_times(read_audio(tmp_path / "out.flac", sample_rate=48_000)) == [pytest.approx(expected, abs=0.025)]


def test_a_gap_in_the_stream_is_silence_of_its_length(tmp_path):
    path = make_film(tmp_path / "film.ts", frames=100, flashes=[10, 90])
    data = bytearray(path.read_bytes())
    start = len(data) // 2 // 188 * 188
    data[start : start + 188 * 60] = b"\x47\x1f\xff\x10" * (47 * 60)  # null packets
    path.write_bytes(data)
    assert beep_times(read_audio(path, sample_rate=48_000)) == [
        pytest.approx(0.4, abs=0.025),
        pytest.approx(3.6, abs=0.025),
    ]


def test_values_that_are_not_numbers_are_refused_by_name(tmp_path):
    for bad in (np.nan, np.inf):
        sound = tone(0.5, 48_000)
        sound[0, 12_000] = bad
        with pytest.raises(InputError, match=r"x.flac.*not numbers.*0\.250 s"):
            write_audio(tmp_path / "x.flac", sound, 48_000)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_or_read_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.flac or \.wav"):
        write_audio(tmp_path / "x.mp3", tone(0.1, 48_000), 48_000)
    with pytest.raises(InputError, match="shape"):
        write_audio(tmp_path / "x.wav", tone(0.1, 48_000)[0], 48_000)
    with pytest.raises(InputError, match="up to 8 channels"):
        write_audio(tmp_path / "x.flac", np.zeros((9, 10), np.float32), 48_000)
    write_audio(tmp_path / "a.wav", tone(0.1, 48_000), 48_000)
    with pytest.raises(MediaError, match="no sound stream 3; it has 0"):
        read_audio(tmp_path / "a.wav", sample_rate=48_000, stream=3)
    with pytest.raises(InputError, match="0 s or later"):
        read_audio(tmp_path / "a.wav", sample_rate=48_000, start=-1)


def test_loud_samples_become_full_scale_in_flac_and_stay_in_wav(tmp_path):
    sound = np.array([[0.0, 1.5, -1.5, 0.0]], np.float32)
    write_audio(tmp_path / "a.flac", sound, 8_000)
    write_audio(tmp_path / "a.wav", sound, 8_000)
    assert np.abs(read_audio(tmp_path / "a.flac", sample_rate=8_000)).max() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", sample_rate=8_000), sound)


@pytest.mark.parametrize("channels", [6, 7, 8])
def test_surround_comes_in_as_it_is(tmp_path, channels):
    """With 8 channels (7.1) PyAV's planar frames crashed the whole program."""
    samples = np.random.default_rng(channels).uniform(-0.5, 0.5, (channels, 30_000)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples.T, 48_000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", sample_rate=48_000), samples)


def test_a_track_with_too_many_channels_says_what_to_do(tmp_path):
    write_audio(tmp_path / "wide.wav", np.zeros((16, 4800), np.float32), 48_000)
    media = probe(tmp_path / "wide.wav")
    with pytest.raises(MediaError, match="stream 0 of wide.wav has 16 channels; dubkit works with 1 to 8. Mix it down"):
        extract(media, tmp_path / "out.flac", sample_rate=48_000)
    stereo = replace(media.audio[0], index=2, channels=2, layout="stereo")
    with pytest.raises(MediaError, match=r"Choose another with media.audio_stream: 2 \(stereo\)"):
        extract(replace(media, audio=(*media.audio, stereo)), tmp_path / "out.flac", sample_rate=48_000)
    extract(media, tmp_path / "out.wav", sample_rate=48_000)
