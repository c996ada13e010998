"""Cleaning turns, and ids that survive a new diarization."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dubkit.speech.turns import clean, exclusive, keep_ids, make_turns, successors
from dubkit.types import Segment


def spans(turns):
    return [(t.segment.start, t.segment.end, t.speaker) for t in turns]


def test_short_pauses_of_one_speaker_are_closed_and_crumbs_dropped():
    turns = make_turns([(0, 1, "A"), (1.2, 2, "A"), (3, 4, "A"), (5, 5.1, "B")])
    assert spans(clean(turns, merge_gap=0.25, min_turn=0.2)) == [(0, 2, "A"), (3, 4, "A")]


def test_a_pause_that_somebody_else_fills_stays():
    turns = make_turns([(0, 1, "A"), (1.05, 1.4, "B"), (1.5, 2, "A")])
    assert spans(clean(turns, merge_gap=0.6, min_turn=0.0)) == [(0, 1, "A"), (1.05, 1.4, "B"), (1.5, 2, "A")]


def test_speech_over_somebody_does_not_cut_their_turn():
    turns = make_turns([(0, 2, "A"), (1, 1.5, "B"), (2.1, 3, "A")])
    assert spans(clean(turns, merge_gap=0.25, min_turn=0.2)) == [(0, 3, "A"), (1, 1.5, "B")]


def test_exclusive_has_one_speaker_at_a_time():
    turns = make_turns([(0, 4, "A"), (1, 2, "B"), (3, 6, "B"), (5, 7, "C")])
    assert spans(exclusive(turns)) == [(0, 4, "A"), (4, 6, "B"), (6, 7, "C")]


def test_nothing_changed_keeps_every_id():
    old = tuple(replace(t, id=f"x{i}") for i, t in enumerate(make_turns([(0, 1, "A"), (0.5, 2, "B"), (3, 4, "A")])))
    again = make_turns([(0, 1, "A"), (0.5, 2, "B"), (3, 4, "A")])
    assert keep_ids(old, again) == old


def test_a_turn_found_in_front_does_not_shift_the_ids_behind_it():
    old = make_turns([(5, 6, "A"), (7, 8, "B")])
    new = keep_ids(old, make_turns([(1, 2, "A"), (5.1, 6.2, "A"), (7, 7.9, "B")]))
    assert [t.id for t in new] == ["t0003", "t0001", "t0002"]


def test_the_larger_part_of_a_cut_turn_keeps_its_id():
    old = make_turns([(0, 10, "A")])
    new = keep_ids(old, make_turns([(0, 3, "A"), (4, 10, "A")]))
    assert [t.id for t in new] == ["t0002", "t0001"]


def test_of_two_voices_at_once_each_keeps_its_own():
    old = make_turns([(0, 4, "A"), (0.5, 4, "B")])
    new = keep_ids(old, make_turns([(0.2, 4, "B"), (0.4, 4, "A")]))
    assert {t.speaker: t.id for t in new} == {"A": "t0001", "B": "t0002"}


def test_a_brush_in_passing_is_no_continuation():
    old = make_turns([(0, 2.1, "A")])
    assert [t.id for t in keep_ids(old, make_turns([(2, 4, "A")]))] == ["t0002"]


def test_where_merged_and_lost_turns_went():
    old = make_turns([(0, 3, "A"), (3, 4, "A"), (9, 10, "B")])
    new = keep_ids(old, make_turns([(0, 4, "A")]))
    assert successors(old, new) == {"t0001": "t0001", "t0002": "t0001", "t0003": None}


spoken = st.lists(
    st.tuples(st.floats(0, 600, width=32), st.floats(0.25, 20, width=32), st.sampled_from("ABC")), max_size=30
).map(lambda found: make_turns((a, a + d, s) for a, d, s in found))


@given(spoken, spoken)
def test_ids_stay_unique_and_nothing_else_changes(old, new):
    kept = keep_ids(old, new)
    assert len({t.id for t in kept}) == len(kept) == len(new)
    assert spans(kept) == spans(sorted(new, key=lambda t: t.segment))


@given(spoken)
def test_clean_never_loses_or_invents_time(turns):
    cleaned = clean(turns, merge_gap=0.5, min_turn=0.2)
    for turn in turns:
        assert any(
            c.speaker == turn.speaker and c.segment.start <= turn.segment.start and turn.segment.end <= c.segment.end
            for c in cleaned
        )
    assert all(Segment(0, 620).overlap(c.segment) == c.segment.duration for c in cleaned)


@given(spoken)
def test_exclusive_never_overlaps(turns):
    alone = exclusive(turns)
    assert all(a.segment.end <= b.segment.start for a, b in zip(alone, alone[1:], strict=False))
