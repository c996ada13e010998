"""Diarized voices get the dub's names."""

from dubkit.project.naming import lines_renamed, names_from_stems, renamed
from dubkit.types import Line, Segment, Turn, Word


def turn(name, start, end, speaker):
    return Turn(name, Segment(start, end), speaker)


TURNS = [
    turn("t1", 0, 1, "S0"),
    turn("t2", 2, 3, "S1"),
    turn("t3", 4, 5, "S0"),
    turn("t4", 6, 7, "S0"),
    turn("t5", 8, 9, "S2"),
]
SPEECH = {"ana": [Segment(0, 1), Segment(6.1, 6.9)], "ben": [Segment(2.2, 2.9)]}


def test_stem_that_sounds_names_the_turn():
    assert names_from_stems(TURNS, SPEECH) == {"t1": "ana", "t2": "ben", "t4": "ana"}


def test_silent_turn_takes_its_speakers_usual_name():
    names = [t.speaker for t in renamed(TURNS, names_from_stems(TURNS, SPEECH), {})]
    assert names == ["ana", "ben", "ana", "ana", "S2"]


def test_a_person_wins():
    names = [t.speaker for t in renamed(TURNS, names_from_stems(TURNS, SPEECH), {"S0": "carla"})]
    assert names == ["carla", "ben", "carla", "carla", "S2"]


def test_a_persons_word_on_a_line_wins_over_one_on_a_voice():
    names = [t.speaker for t in renamed(TURNS, names_from_stems(TURNS, SPEECH), {"S0": "carla"}, {"t3": "dora"})]
    assert names == ["carla", "ben", "dora", "carla", "S2"]


def test_merged_voices_are_told_apart_by_stems():
    merged = [turn("t1", 0, 1, "S0"), turn("t2", 2, 3, "S0")]
    assert [t.speaker for t in renamed(merged, names_from_stems(merged, SPEECH), {})] == ["ana", "ben"]


def test_lines_and_their_words_take_the_new_names():
    words = tuple(Word(Segment(0, 1), "hm", speaker=name) for name in ("S0", "S1", "S9"))
    line = Line("l1", "t1", Segment(0, 1), "S0", "hm hm hm", words)
    now = renamed(TURNS, {"t1": "ana", "t2": "ben", "t3": "ana", "t4": "ana"}, {})
    (named,) = lines_renamed([line], TURNS, now)
    assert (named.speaker, [word.speaker for word in named.words]) == ("ana", ["ana", "ben", "S9"])
