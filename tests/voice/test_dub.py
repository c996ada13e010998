from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from dubkit.errors import Cancelled, EngineUnavailable, InputError, MediaError
from dubkit.settings import VoiceSettings
from dubkit.timing import Timecode
from dubkit.types import Line, Segment
from dubkit.voice import loudness
from dubkit.voice.dub import Dub, DubSource, make_dub
from dubkit.voice.tracks import RATE
from tests.voice.conftest import FilmA, SmallFilm, babble, read
from tests.voice.test_voices import needs_espeak


def dub(
    film: SmallFilm | FilmA, source: DubSource, original: Path | None, folder: Path, voices=None, **settings
) -> Dub:
    made = make_dub(
        source, film.turns, film.lines, original, film.duration, folder, voices or {}, VoiceSettings(**settings)
    )
    json.dumps(made.report)  # plain values only
    return made


def untranslated(film: SmallFilm) -> SmallFilm:
    """Lines that no voice can speak: what has no recording stays silent."""
    return replace(film, lines=tuple(replace(line, translation=None) for line in film.lines))


def original_of(film: SmallFilm, channels: int = 2, rate: int = RATE) -> tuple[Path, Path, np.ndarray]:
    """(the film's sound, its M&E, the M&E's samples): dialogue in the centre, or in left and right."""
    effects = np.rint(film.effects(channels) * 32768) / 32768
    whole = effects.copy()
    whole[[2] if channels >= 5 else list(range(min(channels, 2)))] += film.dialogue(0)
    return film.write("original.wav", whole), film.write("me.wav", effects), effects.astype(np.float32)


def quiet(film: SmallFilm, made: Dub) -> np.ndarray:
    """Samples in which the dub's dialogue is digital silence."""
    return read(made.dialogue)[0] == 0


# ------------------------------------------------------------------------------------------------------- M&E, layouts


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


# ------------------------------------------------------------------------------------------------------------ sources


def test_sources_combine_by_character_and_line(film: SmallFilm, fake_voice) -> None:
    ana = film.write("ana.wav", film.dialogue(3, who=["ana"]))
    ben_line = film.write("L1.wav", babble(1.5, 8, 100))
    source = DubSource("xx", stems={"ana": ana}, line_files={"L1": ben_line})
    made = dub(film, source, None, film.folder / "dub", {"L2": "fake/x"}, tts="fake")
    assert {line.id: line.source for line in made.lines} == {"L0": "stem", "L1": "file", "L2": "tts:fake/x"}
    assert fake_voice == [film.lines[2].translation]
    found, take = read(made.stems["ana"])[0], read(ana)[0]
    stem_gain = 10 ** (made.lines[0].gain / 20)
    assert np.allclose(found[: 4 * RATE], take[: 4 * RATE] * stem_gain, rtol=2e-3, atol=1e-5)
    spoken = found[round(7.2 * RATE) : round(8.5 * RATE)]
    assert abs(np.corrcoef(spoken, take[round(7.2 * RATE) : round(8.5 * RATE)])[0, 1]) < 0.2


def test_a_finished_track_becomes_clean_stems(film: SmallFilm) -> None:
    original, me, _ = original_of(film)
    track = film.dialogue(4, share=0.9)
    made = dub(
        film, DubSource("xx", dialogue=film.write("dub.wav", track), background=me), original, film.folder / "dub"
    )
    assert [(line.id, line.speaker, line.source) for line in made.lines] == [
        ("L0", "ana", "track"), ("L1", "ben", "track"), ("L2", "ana", "track")]  # fmt: skip
    for name, path in made.stems.items():
        other = film.dialogue(4, share=0.9, who=[n for n in ("ana", "ben") if n != name])
        assert not read(path)[0][np.abs(other) > 0.01].any()
    whole = read(made.dialogue)[0]
    gain = 10 ** (made.lines[0].gain / 20)
    assert np.allclose(whole, track * gain, rtol=3e-3, atol=1e-4)


def test_speech_near_no_turn_still_sounds_and_is_reported(film: SmallFilm) -> None:
    track = film.dialogue(4)
    turns, lines = film.turns[:2], film.lines[:2]
    source = DubSource("xx", dialogue=film.write("dub.wav", track))
    made = make_dub(source, turns, lines, None, 10.0, film.folder / "dub", {}, VoiceSettings(problems="report"))
    assert "speak where nobody speaks in the film (first at 7.0 s)" in " ".join(made.report["problems"])
    assert np.abs(read(made.dialogue)[0, 7 * RATE : 9 * RATE]).max() > 0.05
    assert not any(read(path)[0, 7 * RATE : 9 * RATE].any() for path in made.stems.values())


def test_turns_without_a_transcript_are_dubbed_from_stems(film: SmallFilm) -> None:
    source = DubSource("xx", stems={"ana": film.write("ana.wav", film.dialogue(3, who=["ana"]))})
    made = make_dub(source, film.turns, (), None, 10.0, film.folder / "dub", {}, VoiceSettings())
    assert [(line.id, line.turn_id) for line in made.lines] == [("T0", "T0"), ("T2", "T2")]
    missing = [row for row in made.report["lines"] if row["source"] is None]
    assert [row["line"] for row in missing] == ["T1"] and "no dub for this line" in missing[0]["notes"][0]


def test_one_changed_line_is_spoken_again_and_no_other(film: SmallFilm, fake_voice) -> None:
    folder = film.folder / "dub"
    first = dub(film, DubSource("xx"), None, folder, tts="fake")
    before = {name: path.read_bytes() for name, path in first.stems.items()}
    assert len(fake_voice) == 3
    dub(film, DubSource("xx"), None, folder, tts="fake")
    assert len(fake_voice) == 3
    changed = replace(
        film, lines=(film.lines[0], replace(film.lines[1], translation="Not so bad, I think."), film.lines[2])
    )
    second = dub(changed, DubSource("xx"), None, folder, tts="fake", level="keep")
    assert fake_voice[3:] == ["Not so bad, I think."]
    dub(film, DubSource("xx"), None, folder, tts="fake")
    assert len(fake_voice) == 4
    assert {name: path.read_bytes() for name, path in first.stems.items()} == before
    assert second.lines[1].text == "Not so bad, I think."


def test_broadcast_wave_carries_the_start_timecode(film: SmallFilm, fake_voice) -> None:
    from fractions import Fraction

    start = Timecode.parse("01:00:00:00", Fraction(25))
    settings = VoiceSettings(tts="fake", stem_format="bwf")
    made = make_dub(
        DubSource("xx"), film.turns, film.lines, None, 10.0, film.folder / "d", {}, settings, start_timecode=start
    )
    for path in (*made.stems.values(), made.dialogue, made.mix, made.background):
        wav = path.with_suffix(".wav")
        data = wav.read_bytes()
        at = data.index(b"bext") + 8 + 256 + 32 + 32 + 10 + 8
        assert int.from_bytes(data[at : at + 8], "little") == 3600 * RATE
        assert np.array_equal(read(wav), read(path))


def test_the_report_counts_coverage(film: SmallFilm) -> None:
    source = DubSource("xx", dialogue=film.write("dub.wav", film.dialogue(4, share=0.5)))
    made = make_dub(
        source,
        film.turns,
        film.lines,
        None,
        10.0,
        film.folder / "dub",
        {},
        VoiceSettings(),
        on_screen=[Segment(1, 2), Segment(4, 6)],
    )
    coverage = made.report["coverage"]
    assert coverage["source_speech_s"] == 6 and coverage["covered"] == pytest.approx(0.5, abs=0.02)
    assert all("too short by 1.0 s" in row["notes"][0] for row in made.report["lines"])
    assert coverage["uncovered_s"] == pytest.approx(3, abs=0.1) and coverage["outside_s"] == pytest.approx(0, abs=0.1)
    assert coverage["on_screen_s"] == 3 and coverage["on_screen_covered"] == pytest.approx(2 / 3, abs=0.02)


# ---------------------------------------------------------------------------------------------------------- bad input


def test_nothing_to_dub_with_is_said(film: SmallFilm) -> None:
    bare = replace(film, lines=tuple(replace(line, translation=None) for line in film.lines))
    with pytest.raises(InputError, match="nothing to dub with"):
        dub(bare, DubSource("xx"), None, film.folder / "dub")
    with pytest.raises(InputError, match="lasts longer than 0"):
        make_dub(DubSource("xx"), (), (), None, 0.0, film.folder, {}, VoiceSettings())


def test_a_line_for_an_unknown_speaker(film: SmallFilm, fake_voice) -> None:
    stranger = Line("L9", "", Segment(9.2, 9.9), "anna", "", translation="Who am I?")
    odd = replace(film, lines=(*film.lines, stranger))
    with pytest.raises(
        InputError, match="for 'anna', but nobody of that name speaks in the film; did you mean 'ana'.*voice.problems"
    ):
        dub(odd, DubSource("xx"), None, film.folder / "dub", tts="fake")
    made = dub(odd, DubSource("xx"), None, film.folder / "dub", tts="fake", problems="report")
    assert "anna" in made.stems and any("'anna'" in note for note in made.report["problems"])


def test_a_sound_file_for_an_unknown_line(film: SmallFilm, fake_voice) -> None:
    source = DubSource("xx", line_files={"L7": film.write("a.wav", babble(1, 0))})
    with pytest.raises(InputError, match="for the line 'L7', which does not exist"):
        dub(film, source, None, film.folder / "dub", tts="fake")
    assert len(dub(film, source, None, film.folder / "dub", tts="fake", problems="report").lines) == 3


def test_a_stem_longer_than_the_film(film: SmallFilm) -> None:
    film = untranslated(film)
    long = np.concatenate([film.dialogue(1, who=["ana"]), babble(2, 5)])
    quiet_tail = np.concatenate([film.dialogue(1, who=["ana"]), np.zeros(5 * RATE, np.float32)])
    with pytest.raises(
        InputError, match=r"stem of ana \(long.wav\) is longer than the film: it still speaks at 12.0 s"
    ):
        dub(film, DubSource("xx", stems={"ana": film.write("long.wav", long)}), None, film.folder / "dub")
    made = dub(
        film, DubSource("xx", stems={"ana": film.folder / "long.wav"}), None, film.folder / "dub", problems="report"
    )
    assert read(made.mix).shape[1] == film.samples and "cuts it at the film's end" in made.report["problems"][0]
    made = dub(film, DubSource("xx", stems={"ana": film.write("tail.wav", quiet_tail)}), None, film.folder / "dub")
    assert made.report["problems"] == []


@pytest.mark.parametrize("late", [-1.5, 3.25, 3600.0])
def test_a_stem_at_the_wrong_start(film: SmallFilm, late: float) -> None:
    film = untranslated(film)
    take = film.dialogue(1, who=["ana"])
    moved = (
        np.concatenate([np.zeros(round(late * RATE), np.float32), take]) if late > 0 else take[round(-late * RATE) :]
    )
    source = DubSource("xx", stems={"ana": film.write("ana.flac", moved)})
    word = f"{abs(late):.2f} s too {'late' if late > 0 else 'early'}"
    with pytest.raises(InputError, match=f"seems to start {word}.*repair moves it"):
        dub(film, source, None, film.folder / "dub")
    made = dub(film, source, None, film.folder / "dub", problems="repair", level="keep")
    assert np.abs(read(made.stems["ana"])[0] - np.rint(take * 32768) / 32768).max() < (0.01 if late > 0 else 0.5)
    assert [line.segment.end for line in made.lines] == [pytest.approx(3, abs=0.06), pytest.approx(9, abs=0.06)]


def test_an_actors_own_timing_is_no_wrong_start(film: SmallFilm) -> None:
    film = untranslated(film)
    take = np.roll(film.dialogue(1, who=["ana"], share=0.7), round(0.6 * RATE))
    made = dub(film, DubSource("xx", stems={"ana": film.write("ana.wav", take)}), None, film.folder / "dub")
    assert made.report["problems"] == []


def test_a_clipped_stem(film: SmallFilm) -> None:
    film = untranslated(film)
    take = np.clip(film.dialogue(1, who=["ana"]) * 30, -1, 1)
    source = DubSource("xx", stems={"ana": film.write("ana.wav", take)})
    with pytest.raises(InputError, match=r"stem of ana \(ana.wav\) is clipped: \d"):
        dub(film, source, None, film.folder / "dub")
    made = dub(film, source, None, film.folder / "dub", problems="report")
    assert made.report["loudness"]["true_peak_dbtp"] <= -1


def test_a_silent_stem(film: SmallFilm, fake_voice) -> None:
    stems = {
        "ana": film.write("a.wav", np.zeros(film.samples)),
        "ben": film.write("b.wav", film.dialogue(1, who=["ben"])),
    }
    with pytest.raises(InputError, match=r"stem of ana \(a.wav\) is silent"):
        dub(film, DubSource("xx", stems=stems), None, film.folder / "dub")
    made = dub(film, DubSource("xx", stems=stems), None, film.folder / "dub", problems="report", tts="fake")
    assert [line.speaker for line in made.lines] == ["ben"] and not fake_voice
    made = dub(film, DubSource("xx", stems=stems), None, film.folder / "dub", problems="repair", tts="fake")
    assert [line.source for line in made.lines] == ["tts:fake/", "stem", "tts:fake/"]


def test_a_stem_that_is_not_there_or_no_sound(film: SmallFilm) -> None:
    with pytest.raises(MediaError, match=r"there is no sound file .*gone.wav"):
        dub(film, DubSource("xx", stems={"ana": film.folder / "gone.wav"}), None, film.folder / "dub")
    (film.folder / "text.wav").write_text("hello")
    with pytest.raises(MediaError, match=r"text.wav"):
        dub(film, DubSource("xx", dialogue=film.folder / "text.wav"), None, film.folder / "dub")


def test_a_voice_that_fails_stops_the_dub_is_reported_or_replaced(film: SmallFilm, fake_voice) -> None:
    voices = {"ben": "fake/fails"}
    with pytest.raises(
        InputError, match=r"line L1 of ben could not be spoken by 'fake/fails': (.|\n)*no licence server"
    ):
        dub(film, DubSource("xx"), None, film.folder / "dub", voices, tts="fake")
    made = dub(film, DubSource("xx"), None, film.folder / "dub", voices, tts="fake", problems="report")
    assert [line.id for line in made.lines] == ["L0", "L2"] and "leaves the line without a dub" in made.report[
        "problems"
    ][0]
    made = dub(
        film, DubSource("xx"), None, film.folder / "dub", voices, tts="fake", problems="repair", fallback="fake/b"
    )
    assert [line.source for line in made.lines] == ["tts:fake/", "tts:fake/b", "tts:fake/"]
    with pytest.raises(EngineUnavailable, match="kokoro"):
        dub(film, DubSource("xx"), None, film.folder / "dub", {"ben": f"kokoro/{film.folder}#af_heart"}, tts="fake")


def test_text_with_emoji_markup_and_nothing_to_say(film: SmallFilm, fake_voice) -> None:
    texts = ("<i>Hola</i> 👋 {\\an8}amiga, son 1.250 €", "😀", "\u202bשלום לכולם\u202c")
    odd = replace(film, lines=tuple(replace(x, translation=t) for x, t in zip(film.lines, texts, strict=True)))
    made = dub(odd, DubSource("xx"), None, film.folder / "dub", tts="fake")
    assert fake_voice == ["Hola amiga, son 1.250 €", "שלום לכולם"]
    assert [row["source"] for row in made.report["lines"]] == ["tts:fake/", None, "tts:fake/"]


def test_overlapping_speakers_sound_at_the_same_time(film: SmallFilm, fake_voice) -> None:
    both = (film.turns[0], replace(film.turns[1], segment=Segment(2.0, 4.0)))
    lines = tuple(replace(line, segment=turn.segment) for line, turn in zip(film.lines, both, strict=False))
    made = dub(replace(film, turns=both, lines=lines), DubSource("xx"), None, film.folder / "dub", tts="fake")
    ana, ben = (read(made.stems[name])[0] for name in ("ana", "ben"))
    at = slice(round(2.1 * RATE), round(2.6 * RATE))
    assert np.abs(ana[at]).max() > 0.01 and np.abs(ben[at]).max() > 0.01


# --------------------------------------------------------------------------------------------------------------- film_a


def check_film_a(film_a: FilmA, made: Dub) -> None:
    assert made.report["loudness"]["within_half_lu"]
    programme, peak = loudness.measure(made.mix)
    assert programme == pytest.approx(made.report["loudness"]["target_lufs"], abs=0.5) and peak <= -1.0
    assert len(made.report["lines"]) == 12 == len(made.lines)
    by_turn = {turn.id: turn for turn in film_a.turns}
    for line in made.lines:
        turn = by_turn[line.turn_id]
        assert line.speaker == turn.speaker and abs(line.segment.start - turn.segment.start) < 0.1
    assert {len(read(path)[0]) for path in (*made.stems.values(), made.dialogue, made.mix)} == {round(39.6 * RATE)}


@needs_espeak
def test_film_a_spoken_by_espeak(film_a: FilmA, tmp_path: Path) -> None:
    made = dub(film_a, DubSource("es"), film_a.original, tmp_path, {"glen": "espeak/+m3", "nora": "espeak/+f2"})
    check_film_a(film_a, made)
    assert made.report["coverage"]["covered"] > 0.75
    assert all(0.9 <= 1 / row["stretch"] <= 1.3 for row in made.report["lines"])


@pytest.mark.parametrize("kind", ["stems", "track"])
def test_film_a_from_recordings(film_a: FilmA, tmp_path: Path, kind: str) -> None:
    names = ("marc", "glen", "nora")
    source = {
        "stems": DubSource("es", stems={name: film_a.recorded(name) for name in names}),
        "track": DubSource("es", dialogue=film_a.recorded()),
    }[kind]
    made = dub(film_a, source, film_a.original, tmp_path, level="keep")
    assert made.report["problems"] == []
    for name in names:  # the recorded stems are the truth for what the mixed track is taken apart into
        truth, found = read(film_a.recorded(name))[0], read(made.stems[name])[0]
        assert np.abs(truth - found).max() <= (0 if kind == "stems" else 2e-3)
    check_film_a(film_a, dub(film_a, source, film_a.original, tmp_path))


def test_the_stem_of_a_speaker_who_is_no_more_goes_away(film: SmallFilm, fake_voice) -> None:
    folder = film.folder / "dub"
    dub(film, DubSource("xx"), None, folder, tts="fake")
    assert {path.name for path in (folder / "stems").iterdir()} == {"ana.flac", "ben.flac"}
    named = tuple(replace(turn, speaker="Zoë / Lía" if turn.speaker == "ben" else turn.speaker) for turn in film.turns)
    lines = tuple(replace(line, speaker=turn.speaker) for line, turn in zip(film.lines, named, strict=True))
    made = dub(replace(film, turns=named, lines=lines), DubSource("xx"), None, folder, tts="fake")
    assert {path.name for path in (folder / "stems").iterdir()} == {path.name for path in made.stems.values()}
    assert made.stems["Zoë / Lía"].name == "Zoë_Lía.flac"


def test_progress_goes_forward_and_can_stop_the_work(film: SmallFilm, fake_voice) -> None:
    seen: list[float] = []

    def listener(done: float, total: float) -> None:
        seen.append(done / total)

    arguments = (film.turns, film.lines, None, 10.0, film.folder / "dub", {}, VoiceSettings(tts="fake"))
    make_dub(DubSource("xx"), *arguments, listener)
    assert seen == sorted(seen) and seen[-1] == 1 and len(seen) > 8

    def impatient(done: float, total: float) -> None:
        if done / total > 0.6:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        make_dub(DubSource("xx"), *arguments, impatient)
