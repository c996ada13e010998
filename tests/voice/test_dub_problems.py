"""What does not fit: an error that says what to do, a report, or a repair, as ``voice.problems`` says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dubkit.errors import EngineUnavailable, InputError, MediaError
from dubkit.settings import VoiceSettings
from dubkit.types import Line, Segment
from dubkit.voice.dub import DubSource, make_dub
from tests.voice.conftest import RATE, SmallFilm, babble, dub, read, untranslated


@pytest.mark.parametrize(("share", "said"), [(0.7, "lasts 7.0 s, the film 10.0 s: the rest"), (1.0, "")])
def test_an_me_that_is_too_short_is_told(film: SmallFilm, fake_voice, share: float, said: str) -> None:
    me = film.write("me.wav", film.effects()[:, : round(share * film.samples)])
    made = dub(film, DubSource("xx", background=me), None, film.folder / "dub", tts="fake")
    assert any(said in note for note in made.report["problems"]) if said else not made.report["problems"]
    assert read(made.mix).shape[1] == film.samples


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
        InputError,
        match=r"line L9 at 9\.2 s, 'Who am I\?', is for 'anna', but nobody of that name speaks in the film; "
        r"did you mean 'ana'.*voice\.problems",
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


def test_a_stem_with_samples_that_are_no_numbers(film: SmallFilm) -> None:
    odd = film.dialogue(1, who=["ana"])
    odd[2 * RATE : 2 * RATE + 5] = np.nan
    stem = film.write("odd.wav", odd, subtype="FLOAT")
    with pytest.raises(MediaError, match=r"odd\.wav has samples that are not numbers"):
        dub(film, DubSource("xx", stems={"ana": stem}), None, film.folder / "dub", problems="report")


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
