"""The mix of a dub: M&E untouched, the film's layout and length, and how loud it all is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyloudnorm
import pytest

from dubkit.voice import loudness, output
from dubkit.voice.dub import DubSource
from tests.voice.conftest import RATE, SmallFilm, babble, dub, original_of, quiet, read


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_me_passes_through_bit_identical_where_the_dub_is_silent(film: SmallFilm, fake_voice, channels: int) -> None:
    original, me, effects = original_of(film, channels)
    made = dub(film, DubSource("xx", background=me), original, film.folder / "dub", tts="fake")
    found, silent = read(made.mix), quiet(film, made)
    assert found.shape == effects.shape and 0.3 < silent.mean() < 0.8
    assert np.array_equal(found[:, silent], effects[:, silent])
    speaking = [2] if channels >= 5 else list(range(min(channels, 2)))
    others = [c for c in range(channels) if c not in speaking]
    assert np.array_equal(found[others], effects[others])
    assert not np.array_equal(found[speaking], effects[speaking])
    assert made.report["loudness"]["within_half_lu"] and made.report["loudness"]["true_peak_dbtp"] <= -1


def test_every_file_is_as_long_as_the_film_and_the_parts_add_up_to_the_mix(film: SmallFilm, fake_voice) -> None:
    original, me, _ = original_of(film, 6)
    made = dub(film, DubSource("xx", background=me), original, film.folder / "dub", tts="fake")
    stems = {name: read(path)[0] for name, path in made.stems.items()}
    dialogue, beside, mixed = read(made.dialogue)[0], read(made.background), read(made.mix)
    assert set(stems) == {"ana", "ben"}
    assert {len(x) for x in stems.values()} == {len(dialogue)} == {mixed.shape[1]} == {film.samples}
    assert np.allclose(stems["ana"] + stems["ben"], dialogue, atol=3e-7)
    beside[2] += dialogue
    assert np.allclose(beside, mixed, atol=3e-7)
    assert not stems["ben"][: 3 * RATE].any() and not stems["ana"][4 * RATE : 6 * RATE].any()


def test_stems_have_names_that_every_system_takes() -> None:
    names = output._file_names(["Ana", "ANA", "a/b: ?", "Con", "nul.2", "..", "Zoë"])
    assert list(names.values()) == [
        "Ana.flac",
        "ANA_.flac",
        "a_b.flac",
        "_Con.flac",
        "_nul.2.flac",
        "speaker.flac",
        "Zoë.flac",
    ]


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_other_sample_rates_come_out_at_48k_and_in_step(film: SmallFilm, rate: int) -> None:
    click = np.zeros(10 * rate, np.float32)
    click[round(9.5 * rate)] = 0.8
    stem = babble(10, 1, rate=rate) * (np.arange(10 * rate) / rate % 3 > 1) * 0.5
    me = film.write("me.wav", np.array([click, click]), rate)
    source = DubSource("xx", stems={"ana": film.write("ana.wav", stem.astype(np.float32), rate)}, background=me)
    film = replace(film, turns=film.turns[:1], lines=())
    made = dub(film, source, None, film.folder / "dub", problems="report")
    beside = read(made.background)
    assert beside.shape == (2, 10 * RATE) and np.argmax(np.abs(beside[0])) == round(9.5 * RATE)
    assert read(made.mix).shape == (2, 10 * RATE)


def test_ducking_lowers_only_the_centre_and_only_under_speech(film: SmallFilm, fake_voice) -> None:
    original, _, effects = original_of(film, 6)
    made = dub(film, DubSource("xx"), original, film.folder / "dub", tts="fake", duck_db=-30)
    beside, source = read(made.background), read(original)
    assert np.array_equal(beside[[0, 1, 3, 4, 5]], source[[0, 1, 3, 4, 5]])
    assert np.array_equal(beside[:, : RATE // 2], source[:, : RATE // 2])
    under = slice(round(1.2 * RATE), round(2.8 * RATE))
    assert np.allclose(beside[2, under], source[2, under] * 10 ** (-30 / 20), atol=1e-6)


def test_without_background_pauses_are_the_films_air_and_not_digital_zero(film: SmallFilm, fake_voice) -> None:
    original, _, _ = original_of(film)
    made = dub(film, DubSource("xx"), original, film.folder / "dub", tts="fake", background="none")
    assert made.report["background"].startswith("room tone")
    silent = quiet(film, made)
    assert np.sqrt((read(made.mix)[:, silent] ** 2).mean()) > 1e-4
    assert np.mean(read(made.mix)[:, silent] == 0) < 0.05


# ------------------------------------------------------------------------------------------------------------- levels


@pytest.mark.parametrize("target", [-23.0, "atsc-a85", "streaming"])
def test_a_named_loudness_moves_the_whole_programme(film: SmallFilm, fake_voice, target) -> None:
    original, me, effects = original_of(film)
    made = dub(film, DubSource("xx", background=me), original, film.folder / "dub", tts="fake", loudness=target)
    programme, peak = loudness.measure(made.mix)
    assert programme == pytest.approx(loudness.target(target), abs=0.5) and peak <= -1.0
    gain = 10 ** (made.report["loudness"]["programme_gain_db"] / 20)
    silent = quiet(film, made)
    beside = read(made.background)
    assert np.allclose(beside, effects * gain, rtol=2e-3, atol=1e-6)
    if made.report["loudness"]["limited_s"] == 0:
        assert np.array_equal(read(made.mix)[:, silent], beside[:, silent])


def test_each_line_is_as_loud_as_the_actors(film: SmallFilm, fake_voice) -> None:
    speech = film.dialogue(0)
    speech[4 * RATE : 6 * RATE] *= 0.25  # Ben speaks 12 dB softer
    original = film.write("original.wav", np.array([speech, speech]))
    made = dub(film, DubSource("xx"), original, film.folder / "dub", tts="fake", background="none")
    meter = pyloudnorm.Meter(RATE)
    off = []
    for turn, line in zip(film.turns, made.lines, strict=True):
        actor, voice = (
            meter.integrated_loudness(audio[round(s.start * RATE) : round(s.end * RATE)].astype(float))
            for audio, s in ((speech, turn.segment), (read(made.stems[line.speaker])[0], line.segment))
        )
        off.append(voice - actor)
    # 3 dB: the actor sounded in two channels, the clean stem is one. The loudness of the source moves all lines alike.
    assert max(off) - min(off) < 1.0 and np.mean(off) == pytest.approx(3.01, abs=1.0)


def test_a_recorded_stem_gets_one_gain_and_keeps_the_actors_dynamics(film: SmallFilm) -> None:
    original, me, _ = original_of(film)
    take = film.dialogue(0, 0.1, ["ana"])
    take[7 * RATE :] *= 0.5
    stems = {
        "ana": film.write("ana.wav", take, subtype="PCM_24"),
        "ben": film.write("ben.wav", film.dialogue(0, 0.1, ["ben"])),
    }
    made = dub(film, DubSource("xx", stems=stems, background=me), original, film.folder / "dub")
    gain = 10 ** (next(line.gain for line in made.lines if line.speaker == "ana") / 20)
    assert np.allclose(read(made.stems["ana"])[0], take * gain, rtol=2e-3, atol=1e-5)
    by_line = dub(film, DubSource("xx", stems=stems, background=me), original, film.folder / "dub", level="line")
    first, last = (line.gain for line in by_line.lines if line.speaker == "ana")
    assert last - first == pytest.approx(6, abs=0.7)
    kept = dub(film, DubSource("xx", stems=stems, background=me), original, film.folder / "dub", level="keep")
    assert np.array_equal(read(kept.stems["ana"])[0], read(stems["ana"])[0])


@pytest.mark.slow
def test_ten_minutes_of_44100_and_96000_end_in_step(capsys: pytest.CaptureFixture[str]) -> None:
    """The measurement of docs/voice.md (two hours there): counts of samples, and a click in the last second of every file."""
    from bench.voice import check_step

    check_step(1 / 6)
    assert capsys.readouterr().out.count("| 28800000 | 28800000 | 0 |") == 5
