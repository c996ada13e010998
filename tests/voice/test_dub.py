"""Where the lines of a dub come from, and the files it is delivered in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dubkit.errors import Cancelled
from dubkit.settings import VoiceSettings
from dubkit.timing import Timecode
from dubkit.types import Segment
from dubkit.voice.dub import DubSource, make_dub
from tests.voice.conftest import RATE, SmallFilm, babble, dub, original_of, read


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
    make_dub(DubSource("xx"), film.turns, film.lines, None, 10.0, film.folder / "d", {}, VoiceSettings(tts="fake"))
    assert not list((film.folder / "d").rglob("*.wav"))  # none of an older dub is left to be taken for this one


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


def test_overlapping_speakers_sound_at_the_same_time(film: SmallFilm, fake_voice) -> None:
    both = (film.turns[0], replace(film.turns[1], segment=Segment(2.0, 4.0)))
    lines = tuple(replace(line, segment=turn.segment) for line, turn in zip(film.lines, both, strict=False))
    made = dub(replace(film, turns=both, lines=lines), DubSource("xx"), None, film.folder / "dub", tts="fake")
    ana, ben = (read(made.stems[name])[0] for name in ("ana", "ben"))
    at = slice(round(2.1 * RATE), round(2.6 * RATE))
    assert np.abs(ana[at]).max() > 0.01 and np.abs(ben[at]).max() > 0.01


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
