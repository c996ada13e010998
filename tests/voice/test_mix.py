from pathlib import Path

import numpy as np
import pytest

from dubkit.engines import Engine
from dubkit.errors import InputError, MediaError, SettingsError
from dubkit.settings import VoiceSettings
from dubkit.types import Segment
from dubkit.voice import mix, separate
from dubkit.voice.background import choose_background
from dubkit.voice.levels import Original
from dubkit.voice.loudness import channel_energies
from dubkit.voice.tracks import LAYOUTS, RATE, Track, clips_track, file_samples, file_track
from tests.fakes.voices import TenthSeparator
from tests.voice.conftest import SmallFilm, babble, read
from tests.voice.test_loudness import track_of


def whole(track: Track) -> np.ndarray:
    return np.concatenate(list(track.walk()), axis=1)


@pytest.mark.parametrize("channels", LAYOUTS)
def test_dialogue_goes_to_the_centre_and_nowhere_else(channels: int) -> None:
    background, speech = np.full((channels, 2 * RATE), 0.01, np.float32), babble(2, 0)
    found = whole(mix.mixed(track_of(background), track_of(speech))) - background
    names = LAYOUTS[channels]
    home = ["C"] if "C" in names else ["L", "R"]
    for name, channel in zip(names, found, strict=True):
        expected = speech * (1 if home == ["C"] else 0.5**0.5) if name in home else 0 * speech
        assert np.allclose(channel, expected, atol=1e-6)
    assert (mix.placing(channels) ** 2).sum() == pytest.approx(1)  # the same loudness in every layout


def test_a_narrow_background_keeps_its_channels_in_a_wide_mix() -> None:
    stereo = np.array([babble(1, 1), babble(1, 2)])
    wide = whole(mix.in_layout(track_of(stereo), 6, "me"))
    assert np.array_equal(wide[:2], stereo) and not wide[2:].any()
    assert np.array_equal(whole(mix.in_layout(track_of(stereo[:1]), 6, "me"))[2], stereo[0])
    with pytest.raises(MediaError, match=r"me\.wav has the channels L R C LFE BC SL SR.*BC would be lost"):
        mix.in_layout(track_of(np.zeros((7, 10))), 8, "me.wav")


def test_the_duck_lowers_speech_and_leaves_the_rest() -> None:
    audio = np.full((6, 10 * RATE), 0.1, np.float32)
    found = whole(mix.ducked(track_of(audio), [2], [Segment(3, 5), Segment(4, 6)], -20.0))
    assert np.array_equal(found[[0, 1, 3, 4, 5]], audio[[0, 1, 3, 4, 5]])
    assert np.allclose(found[2, 3 * RATE : 6 * RATE], 0.01, atol=1e-5)
    assert np.array_equal(found[2, : round(2.8 * RATE)], audio[2, : round(2.8 * RATE)])
    assert np.array_equal(found[2, round(6.45 * RATE) :], audio[2, round(6.45 * RATE) :])


def test_carriers_are_the_centre_and_left_and_right_where_speech_is_there() -> None:
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((6, 10 * RATE)) * 0.003
    audio[2, 3 * RATE : 5 * RATE] += babble(2, 0)
    speech = [Segment(3, 5)]
    assert mix.carriers(channel_energies(track_of(audio)), speech) == [2]
    audio[0:2, 3 * RATE : 5 * RATE] += babble(2, 1)
    assert mix.carriers(channel_energies(track_of(audio)), speech) == [0, 1, 2]


def test_room_tone_is_the_films_own_quietest_pause(film: SmallFilm) -> None:
    air = np.random.default_rng(1).standard_normal((2, film.samples)) * 1e-3
    air[:, 9 * RATE :] *= 30  # a loud pause
    original = film.write("original.wav", (air + film.dialogue(0)).astype(np.float32), subtype="FLOAT")
    track, said = mix.room_tone(original, [t.segment for t in film.turns], 2, film.samples)
    tone = whole(track)
    rms = np.sqrt((tone.reshape(2, -1, 4800) ** 2).mean(axis=2))
    assert "film's own pauses" in said and tone.shape == (2, film.samples)
    assert np.all((rms > 0.6e-3) & (rms < 1.6e-3))
    assert not np.any(np.all(tone == 0, axis=0))


def test_room_tone_without_a_usable_pause_is_soft_noise(film: SmallFilm) -> None:
    for original in (None, film.write("silent.wav", np.zeros((2, film.samples)))):
        track, said = mix.room_tone(original, [t.segment for t in film.turns], 2, film.samples)
        level = 20 * np.log10(np.sqrt((whole(track) ** 2).mean()))
        assert "-72 dBFS" in said and level == pytest.approx(-72, abs=0.5)


# ----------------------------------------------------------------------------------------------------------- background


def choose(film: SmallFilm, given: Path | None, original: Path | None, **settings):
    heard = None
    if original:
        steps = channel_energies(file_track(original, film.samples))
        heard = Original(steps, tuple(mix.carriers(steps, [t.segment for t in film.turns])))
    spoken = [t.segment for t in film.turns]
    return choose_background(
        given, original, heard, spoken, spoken, film.samples, film.folder, VoiceSettings(**settings)
    )


def test_the_background_is_what_is_there(film: SmallFilm) -> None:
    original, me = film.write("o.wav", film.effects(6)), film.write("me.wav", film.effects(2))
    assert choose(film, me, original).said == "M&E: me.wav" and choose(film, me, original).track.channels == 6
    assert (
        "ducked" not in choose(film, None, original).said and "-18 dB under speech" in choose(film, None, original).said
    )
    assert choose(film, None, None).said.startswith("room tone")
    assert choose(film, None, None, room_tone=False).said == ""
    assert choose(film, None, film.write("m.wav", film.effects(1))).track.channels == 1


def test_a_background_that_cannot_be_had_says_why(film: SmallFilm) -> None:
    with pytest.raises(InputError, match="no M&E track is given"):
        choose(film, None, None, background="me")
    with pytest.raises(InputError, match="the film has no sound"):
        choose(film, None, None, background="duck")
    original = film.write("o.wav", film.effects(2))
    with pytest.raises(SettingsError, match="no separator named 'magic'"):
        choose(film, None, original, background="separate", separator="magic")


def test_separation_takes_only_the_channels_with_dialogue_part_by_part(film: SmallFilm, monkeypatch) -> None:
    monkeypatch.setattr(separate, "SEPARATORS", {"tenth": Engine("tests.fakes.voices:TenthSeparator")})
    monkeypatch.setattr("tests.fakes.voices.TenthSeparator.part", 4.0)
    monkeypatch.setattr(separate, "OVERLAP", RATE)
    effects = film.effects(6)
    original = film.write("o.wav", effects)
    found = choose(film, None, original, background="separate", separator="tenth")
    assert found.said == "M&E made of the original by tenth"
    before, after = read(original), whole(found.track)
    assert np.array_equal(after[[0, 1, 3, 4, 5]], before[[0, 1, 3, 4, 5]])
    assert np.allclose(after[2], 0.1 * before[2], atol=1e-6)


def test_a_killed_separation_goes_on_with_its_part_and_is_made_once(film: SmallFilm, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(separate, "SEPARATORS", {"tenth": Engine("tests.fakes.voices:TenthSeparator")})
    monkeypatch.setattr(TenthSeparator, "part", 4.0)
    monkeypatch.setattr(separate, "OVERLAP", RATE)
    original, heard, kill = film.write("o.wav", film.effects(2)), [], [None]
    tenth = TenthSeparator.without_speech

    def without_speech(self, mix, output):
        if len(heard) == kill[0]:
            raise KeyboardInterrupt
        heard.append(file_samples(mix))
        tenth(self, mix, output)

    monkeypatch.setattr(TenthSeparator, "without_speech", without_speech)

    def made(folder):
        folder.mkdir(exist_ok=True)
        path, _ = separate.separated(original, [0, 1], folder / "separated.flac", "tenth")
        assert [path] == list(folder.iterdir()), "no scratch is left"
        return path

    before, everything = made(tmp_path / "whole"), list(heard)
    assert len(everything) > 2
    heard.clear()
    kill[0] = 2
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "killed")
    kill[0] = None
    path = made(tmp_path / "killed")
    assert heard == everything and path.read_bytes() == before.read_bytes()
    assert made(tmp_path / "killed") == path and heard == everything, "another line of the dub: it is not made again"
    film.write("o.wav", 0.5 * film.effects(2))
    assert made(tmp_path / "killed") != path


def test_silence_is_as_long_as_asked() -> None:
    assert whole(mix.silence(3, 1_000_001)).shape == (3, 1_000_001)
    assert whole(clips_track((), 700_001)).shape == (1, 700_001)
