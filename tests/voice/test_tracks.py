from pathlib import Path

import numpy as np
import pytest

from dubkit.errors import MediaError
from dubkit.voice import tracks
from dubkit.voice.tracks import BLOCK, RATE, Clip, Span, Track, clips_track, envelope, file_track, masked, write_track
from tests.voice.conftest import babble, read, write


def whole(track: Track) -> np.ndarray:
    return np.concatenate(list(track.walk()), axis=1)


@pytest.mark.parametrize(("bits", "channels"), [(16, 1), (16, 6), (24, 2), (24, 8)])
def test_16_and_24_bits_pass_through_bit_identical(tmp_path: Path, bits: int, channels: int) -> None:
    rng = np.random.default_rng(bits)
    steps = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (channels, 30_000))
    source = write(tmp_path / "a.wav", (steps / (1 << (bits - 1))).astype(np.float32), subtype="FLOAT")
    assert np.array_equal(read(source), read(write_track(tmp_path / "b.flac", file_track(source, 30_000))))


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000, 32_000])
def test_another_rate_comes_out_at_48k_in_step(tmp_path: Path, rate: int) -> None:
    audio = np.zeros(25 * rate, np.float32)
    audio[rate] = audio[24 * rate] = 0.9
    path = write(tmp_path / "a.wav", audio, rate, "FLOAT")
    assert tracks.file_samples(path) == 25 * RATE
    found = whole(file_track(path, 25 * RATE))
    assert found.shape == (1, 25 * RATE)
    assert np.argmax(np.abs(found[0, : 2 * RATE])) == RATE
    assert np.argmax(np.abs(found[0, 20 * RATE :])) == 4 * RATE


@pytest.mark.parametrize("shift", [-BLOCK - 7, -5, 0, 5, BLOCK + 7])
@pytest.mark.parametrize("samples", [100, BLOCK, 2 * BLOCK + 11])
def test_a_file_is_moved_padded_and_cut(tmp_path: Path, shift: int, samples: int) -> None:
    length = BLOCK + 4000
    audio = np.random.default_rng(0).integers(-9000, 9000, length).astype(np.float32) / 32768
    path = write(tmp_path / "a.flac", audio)
    expected = np.zeros(samples, np.float32)
    for_start, from_start = max(0, shift), max(0, -shift)
    part = audio[from_start : from_start + max(0, samples - for_start)]
    expected[for_start : for_start + len(part)] = part
    assert np.array_equal(whole(file_track(path, samples, shift=shift))[0], expected)


def test_clips_across_blocks_add_up(tmp_path: Path) -> None:
    a, b = (write(tmp_path / f"{i}.flac", babble(2.0, i)) for i in (0, 1))
    start = BLOCK - RATE
    clips = [Clip(start, a, 2 * RATE, 0.5), Clip(start + RATE // 2, b, 2 * RATE), Clip(3 * BLOCK - 10, a, 2 * RATE)]
    expected = np.zeros(3 * BLOCK, np.float32)
    expected[start : start + 2 * RATE] += 0.5 * read(a)[0]
    expected[start + RATE // 2 : start + RATE // 2 + 2 * RATE] += read(b)[0]
    expected[-10:] += read(a)[0][:10]
    assert np.allclose(whole(clips_track(clips, 3 * BLOCK))[0], expected, atol=1e-7)


def test_masks_that_share_their_edges_add_up_to_the_whole(tmp_path: Path) -> None:
    audio = babble(25.0, 3)
    track = file_track(write(tmp_path / "a.flac", audio), 25 * RATE)
    edges = [0, 4 * RATE, 4 * RATE + 5000, BLOCK, BLOCK + 9999, 25 * RATE]
    spans = [Span(a, b) for a, b in zip(edges, edges[1:], strict=False)]
    parts = [whole(masked(track, spans[i::2])) for i in (0, 1)]
    assert np.allclose(parts[0] + parts[1], whole(track), atol=1e-6)
    assert not parts[1][0, : 3 * RATE].any() and np.array_equal(parts[0][0, : 3 * RATE], whole(track)[0, : 3 * RATE])


def test_an_envelope_is_the_same_in_any_blocks() -> None:
    curve = envelope([Span(1000, 5000, 0.5), Span(5000, 9000, 2.0), Span(9100, 20_000, 1.0)], 0.01, 0.02, outside=0.25)
    at_once = curve(0, 30_000)
    assert np.allclose(
        np.concatenate([curve(i, i + 1234) for i in range(0, 30_000, 1234)])[:30_000], at_once, atol=1e-6
    )
    assert at_once[0] == at_once[-1] == 0.25 and at_once[3000] == 0.5 and at_once[7000] == 2.0
    assert np.abs(np.diff(at_once)).max() < 0.03


def test_a_file_that_is_not_there_or_no_sound_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no sound file .*gone.wav"):
        tracks.file_samples(tmp_path / "gone.wav")
    (tmp_path / "page.wav").write_text("<html>")
    with pytest.raises(MediaError, match="page.wav"):
        tracks.file_samples(tmp_path / "page.wav")


def test_dialogue_of_many_channels_becomes_one() -> None:
    d = babble(0.1, 0)
    assert np.array_equal(tracks.to_mono(np.array([d, d])), d[None])
    five = np.zeros((6, len(d)), np.float32)
    five[2], five[3] = d, 0.5
    assert np.array_equal(tracks.to_mono(five)[0], d)


@pytest.mark.slow
def test_two_hours_at_44100_and_96000_end_in_step(tmp_path: Path) -> None:
    import soundfile

    for rate in (44_100, 96_000):
        path = tmp_path / f"{rate}.flac"
        with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
            for second in range(7200):
                block = np.zeros(rate, np.float32)
                block[0] = 0.9 if second in (1, 7199) else 0
                file.write(block)
        peaks, done = [], 0
        for block in file_track(path, 7200 * RATE).walk():
            loud = np.flatnonzero(np.abs(block[0]) > 0.25)
            peaks += [done + int(i) for i in loud]
            done += block.shape[1]
        assert done == tracks.file_samples(path) == 7200 * RATE
        assert {round(p / RATE) for p in peaks} == {1, 7199}
        assert all(min(abs(p - RATE), abs(p - 7199 * RATE)) <= 1 for p in peaks)
