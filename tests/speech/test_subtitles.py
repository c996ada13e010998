"""Translations matched to lines, and what is told about those that do not match."""

from dataclasses import replace

import pytest

from dubkit.errors import SpeechFileError
from dubkit.settings import SpeechSettings
from dubkit.speech import cues, rttm, subtitles
from dubkit.speech.cues import Cue
from dubkit.speech.match import shared_out
from dubkit.speech.subtitles import load_translation, save, save_sheet, translate
from dubkit.types import Line, Segment, Word


def line(identity, start, end, speaker, text="", **more):
    return Line(identity, identity, Segment(start, end), speaker, text, **more)


def cue(number, start, end, text, speaker=None, **more):
    return Cue(number, Segment(start, end), text, speaker, **more)


LINES = (
    line("t0001", 1, 2, "S0", "Hello, how are you?"),
    line("t0002", 2.5, 4, "S1", "Fine."),
    line("t0003", 6, 9, "S0", "We go to Paris in 1999."),
)


def said(translation):
    return [(x.id, x.translation) for x in translation.lines]


def test_cues_find_their_lines_by_time_and_name_the_characters():
    found = translate(
        [cue(1, 0.9, 2.2, "Hola.", "marc"), cue(2, 2.4, 4.1, "Bien.", "glen"), cue(3, 6, 9, "Vamos.", "marc")], LINES
    )
    assert said(found) == [("t0001", "Hola."), ("t0002", "Bien."), ("t0003", "Vamos.")]
    assert [x.segment for x in found.lines] == [x.segment for x in LINES]  # the film's time, not the subtitler's
    assert found.names == {"t0001": "marc", "t0002": "glen", "t0003": "marc"}
    assert found.notes == ()


def test_where_two_speak_at_once_the_names_decide():
    lines = (*LINES, line("t0004", 10, 14, "S0"), line("t0005", 10, 14, "S1"))
    found = translate([cue(1, 1, 2, "Hola.", "marc"), cue(2, 2.5, 4, "Bien.", "glen"), cue(3, 10, 14, "¡No!", "glen"),
                       cue(4, 10, 14, "¡Sí!", "marc")], lines)  # fmt: skip
    assert dict(said(found))["t0005"] == "¡No!"
    assert dict(said(found))["t0004"] == "¡Sí!"


def test_numbers_and_names_decide_where_time_does_not():
    lines = (line("a", 1, 3, "S0", "They left."), line("b", 1, 3, "S1", "We meet Anna in 1999."))
    found = translate([cue(1, 1, 3, "Vemos a Anna en 1999.")], lines)
    assert dict(said(found)) == {"a": None, "b": "Vemos a Anna en 1999."}


def test_several_cues_in_one_turn_become_several_lines():
    words = tuple(
        Word(Segment(6 + i * 0.5, 6.4 + i * 0.5), w) for i, w in enumerate(["We", "go", "to", "Paris", "in", "1999."])
    )
    found = translate(
        [cue(1, 6, 7.2, "Vamos a París"), cue(2, 7.4, 9.3, "en 1999.")], (replace(LINES[2], words=words),)
    )
    assert said(found) == [("t0003.1", "Vamos a París"), ("t0003.2", "en 1999.")]
    assert [x.segment for x in found.lines] == [Segment(6, 7.2), Segment(7.4, 9)]
    assert {x.turn_id for x in found.lines} == {"t0003"}
    assert " ".join(x.text for x in found.lines) == "We go to Paris in 1999."


def test_one_cue_over_two_turns_of_one_speaker_is_said_once():
    lines = (line("a", 1, 2, "S0"), line("b", 2.6, 4, "S0"), line("c", 5, 6, "S1"))
    found = translate([cue(1, 1, 4, "Una frase larga."), cue(2, 5, 6, "Ya.")], lines)
    assert said(found) == [("a", "Una frase larga."), ("b", ""), ("c", "Ya.")]
    assert found.lines[0].segment == Segment(1, 4)
    assert any("line b is said together with line a" in note for note in found.notes)


def test_a_cue_over_two_turns_is_cut_where_the_actor_pauses():
    lines = (
        line("a", 1, 2, "S0", "I know."),
        line("b", 3, 5, "S0", "But we must not tell her."),
        line("c", 6, 7, "S1"),
    )
    found = translate([cue(1, 1, 5, "Ya lo sé. Pero no debemos decírselo."), cue(2, 6, 7, "Ya.")], lines)
    assert said(found) == [("a", "Ya lo sé."), ("b", "Pero no debemos decírselo."), ("c", "Ya.")]
    assert [x.segment for x in found.lines] == [x.segment for x in lines]
    assert "cue 1 spans 2 turns of S0; it is said as Ya lo sé. | Pero no debemos decírselo." in found.notes


def test_a_cut_is_a_sentence_before_a_clause_and_near_the_pause_or_none():
    even = (line("a", 0, 2, "S"), line("b", 3, 5, "S"))
    assert shared_out("Sí, claro que vino. Luego se fue a casa.", even) == [
        "Sí, claro que vino.",
        "Luego se fue a casa.",
    ]
    assert shared_out("Si quieres que venga, dímelo ahora mismo", even) == [
        "Si quieres que venga,",
        "dímelo ahora mismo",
    ]
    assert shared_out("No. Te he dicho cien veces que no quiero hablar", even) is None
    assert shared_out("Una frase sin pausa alguna", even) is None
    three = (*even, line("c", 6, 8, "S"))
    assert shared_out("Uno y dos. Tres y más. Y cinco.", three) == ["Uno y dos.", "Tres y más.", "Y cinco."]
    late = (line("a", 0, 1, "S", "No."), line("b", 3, 4, "S", "I have told you a hundred times."))
    assert shared_out("No. Te lo he dicho cien veces.", late) == ["No.", "Te lo he dicho cien veces."]


def test_two_dashes_are_two_people():
    found = translate([cue(1, 1, 4, "- Hola.\n- Bien.")], LINES[:2])
    assert said(found) == [("t0001", "Hola."), ("t0002", "Bien.")]


def test_sounds_and_songs_are_not_dubbed():
    found = translate([cue(1, 1, 2, "[door slams]"), cue(2, 2.5, 4, "♪ La la ♪"), cue(3, 6, 9, "Vamos.")], LINES)
    assert said(found) == [("t0001", None), ("t0002", None), ("t0003", "Vamos.")]
    assert sum("describes a sound or is sung" in note for note in found.notes) == 2


def test_nothing_is_lost_silently():
    found = translate([cue(1, 1, 2, "Hola."), cue(2, 20, 22, "¿Quién?", "nora")], LINES)
    assert said(found) == [("t0001", "Hola."), ("t0002", None), ("t0003", None), ("c0002", "¿Quién?")]
    assert found.lines[-1].speaker == "nora"
    assert any("cue 2 (00:20.000, '¿Quién?'): nobody was heard" in note for note in found.notes)
    assert any("line t0002 (00:02.500, S1, 'Fine.') has no translation" in note for note in found.notes)


def test_a_file_an_hour_late_is_refused_with_the_reason():
    with pytest.raises(SpeechFileError, match=r"begin at 3601\.0 s.*3600 s late"):
        translate([cue(1, 3601, 3602, "Hola.")], LINES)


def test_the_border_follows_the_cues_where_the_diarizer_is_clearly_late():
    lines = (line("a", 10.9, 15.8, "S2"), line("b", 16.1, 20.1, "S1"))
    found = translate([cue(1, 11.1, 15.0, "Uno.", "marc"), cue(2, 15.1, 20.0, "Dos.", "nora")], lines)
    assert [x.segment for x in found.lines] == [Segment(10.9, 15.0), Segment(15.1, 20.1)]
    assert "speaker changes at 15.10 s by the cues" in found.notes[0]
    near = translate([cue(1, 11.1, 15.8, "Uno."), cue(2, 15.9, 20.0, "Dos.")], lines)
    assert [x.segment for x in near.lines] == [x.segment for x in lines]  # a subtitler's habit moves nothing


# ---------------------------------------------------------------------------------------------------------- and files


@pytest.mark.parametrize("name", ["sheet.csv", "sheet.tsv"])
def test_the_sheet_comes_back_filled(tmp_path, name):
    path = save_sheet(tmp_path / name, (replace(LINES[0], text='She said: "Hi, 5\t%"'), *LINES[1:]))
    assert load_translation(path, LINES).notes == tuple(
        f"line {x.id} (00:0{x.segment.start:.3f}, {x.speaker}, '{x.text}') has no translation" for x in LINES
    )
    filled = [replace(x, translation=f"ES {x.id}") for x in LINES]
    save_sheet(path, filled)
    back = load_translation(path, LINES)
    assert said(back) == [(x.id, x.translation) for x in filled]
    assert (back.notes, back.names) == ((), {})


def test_sheet_rows_find_their_lines_when_the_ids_are_gone_or_moved(tmp_path):
    path = save_sheet(tmp_path / "sheet.csv", [replace(x, translation=f"ES {x.id}") for x in LINES])
    again = tuple(replace(x, id=f"n{i}", turn_id=f"n{i}") for i, x in enumerate(LINES))
    assert said(load_translation(path, again)) == [("n0", "ES t0001"), ("n1", "ES t0002"), ("n2", "ES t0003")]
    shuffled = (replace(LINES[0], id="t0003"), replace(LINES[1], id="t0002"), replace(LINES[2], id="t0001"))
    assert said(load_translation(path, shuffled)) == [
        ("t0003", "ES t0001"),
        ("t0002", "ES t0002"),
        ("t0001", "ES t0003"),
    ]


@pytest.mark.parametrize("suffix", [".srt", ".vtt", ".ass"])
def test_subtitles_come_back_with_speakers(tmp_path, suffix):
    path = save(tmp_path / f"film{suffix}", LINES)
    found = cues.load(path)[0]
    assert [(c.speaker, " ".join(c.text.split())) for c in found] == [(x.speaker, x.text) for x in LINES]
    assert [c.segment.start for c in found] == [1, 2.5, 6]
    with pytest.raises(SpeechFileError, match="not a subtitle format"):
        save(tmp_path / "film.docx", LINES)


def test_lines_are_laid_out_by_the_rules(tmp_path):
    text = "We had been walking up that hill since four in the morning, and nobody told us the road was closed. So we turned."
    path = save(tmp_path / "long.srt", [line("a", 0, 6, "marc", text)], SpeechSettings(line_length=30, max_lines=2))
    found = path.read_text(encoding="utf-8").strip().split("\n\n")
    shown = [block.split("\n")[2:] for block in found]
    assert all(len(rows) <= 2 and all(len(row) <= 30 for row in rows) for rows in shown)
    assert " ".join(" ".join(rows).removeprefix("marc: ") for rows in shown) == text
    assert cues.load(path)[0][-1].segment.end == pytest.approx(6, abs=1.5)


def test_a_short_cue_borrows_from_the_pause_to_be_read(tmp_path):
    text = "This takes about three seconds to read at all."
    lines = [line("a", 0, 1, "A", text), line("b", 2, 4, "B", "Yes.")]
    first = cues.load(save(tmp_path / "a.srt", lines))[0][0]
    assert first.segment.end == pytest.approx(1.92, abs=0.01)  # up to two frames before the next
    alone = cues.load(save(tmp_path / "b.srt", lines[:1]))[0][0]
    assert alone.segment.end == pytest.approx((len(text) + len("A: ")) / 17, abs=0.01)


def test_the_films_spanish_subtitles_fit_its_turns(shared):
    turns = rttm.load(shared / "media" / "film_a.rttm")
    lines = [
        line(t.id, t.segment.start, t.segment.end, {"marc": "S0", "glen": "S1", "nora": "S2"}[t.speaker]) for t in turns
    ]
    found = subtitles.load_translation(shared / "media" / "film_a.es.srt", lines)
    assert len(found.notes) == 2  # it all matches; one cue is a little fast, and its texts are not broken into lines
    assert "reading_speed): 2 (18)" in found.notes[0] and "line_length)" in found.notes[1]
    assert len(found.lines) == 12
    assert found.names == {turn.id: turn.speaker for turn in turns}
    assert found.lines[6].translation == "Yo no lo haría."


def test_subtitles_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "fast.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nThirty signs in one second are\n\n"
                    "2\n00:00:02,500 --> 00:00:04,000\nA\nB\nC\n\n"
                    "3\n00:00:06,000 --> 00:00:09,000\nThese fifty-one signs are more than a line can hold\n")  # fmt: skip
    notes = load_translation(path, LINES).notes
    assert notes == (
        "fast.srt: 1 of 3 cues are faster than 17 characters a second (speech.reading_speed): 1 (30)",
        "fast.srt: 1 of 3 cues have more than 2 lines (speech.max_lines): 2 (3)",
        "fast.srt: 1 of 3 cues have lines of more than 42 characters (speech.line_length): 3 (51)",
    )
    assert load_translation(path, LINES, SpeechSettings(reading_speed=30, max_lines=3, line_length=60)).notes == ()
    hurried = [line("a", 0, 1, "A", "Nobody can read as much as this in a second."), line("b", 1, 2, "B", "No.")]
    assert subtitles.unreadable(hurried, SpeechSettings(), "t.srt") == (
        "t.srt: 1 of 2 cues are faster than 17 characters a second (speech.reading_speed): 1 (47)",)  # fmt: skip
    assert subtitles.unreadable(LINES, SpeechSettings(), "t.srt") == ()
