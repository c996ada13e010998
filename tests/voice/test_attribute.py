import numpy as np
import pytest

from dubkit.types import Segment, Turn
from dubkit.voice.activity import frame_levels, shared_time, speech, total_time, union
from dubkit.voice.attribute import attribute
from dubkit.voice.tracks import RATE
from tests.voice.conftest import babble


def turns(*spans: tuple[str, float, float]) -> list[Turn]:
    return [Turn(f"T{i}", Segment(a, b), who) for i, (who, a, b) in enumerate(spans)]


def levels_with(seconds: float, *speech_spans: tuple[float, float]) -> np.ndarray:
    levels = np.full(round(seconds * 100), -80.0, np.float32)
    for a, b in speech_spans:
        levels[round(a * 100) : round(b * 100)] = -20
    return levels


@pytest.mark.parametrize("noise_db", [None, -70, -55])
def test_speech_is_found_over_the_tracks_own_noise(noise_db: float | None) -> None:
    audio = np.zeros(10 * RATE, np.float32)
    for a, b in ((1.0, 2.0), (4.0, 6.5)):
        audio[round(a * RATE) : round(b * RATE)] = babble(b - a, 1)
    if noise_db is not None:
        audio += np.random.default_rng(0).standard_normal(len(audio)).astype(np.float32) * 10 ** (noise_db / 20)
    found = speech(frame_levels(iter([audio[None]])))
    assert [(round(s.start, 1), round(s.end, 1)) for s in found] == [(1.0, 2.0), (4.0, 6.5)]


def test_silence_has_no_speech() -> None:
    assert speech(np.full(500, -100.0, np.float32)) == [] == speech(np.zeros(0, np.float32))
    assert speech(np.full(500, -75.0, np.float32)) == []


def test_each_stretch_goes_to_the_turn_that_it_meets() -> None:
    spoken = [Segment(1.0, 2.0), Segment(4.2, 6.3), Segment(9.5, 9.9)]
    pieces = attribute(spoken, turns(("ana", 0.8, 2.5), ("ben", 4.0, 6.0), ("ana", 10.0, 11.0)), levels_with(12))
    assert [p.turn.id for p in pieces] == ["T0", "T1", "T2"]
    assert [p.segment for p in pieces] == spoken


def test_a_stretch_over_two_people_is_cut_where_it_is_quietest() -> None:
    levels = levels_with(8, (1.0, 3.1), (3.2, 5.0))
    pieces = attribute([Segment(1.0, 5.0)], turns(("ana", 1.0, 3.0), ("ben", 3.0, 5.0)), levels)
    assert [p.turn.speaker for p in pieces] == ["ana", "ben"]
    assert pieces[0].segment.end == pieces[1].segment.start == pytest.approx(3.15, abs=0.06)


def test_a_stretch_far_from_every_turn_belongs_to_nobody() -> None:
    (piece,) = attribute([Segment(20.0, 21.0)], turns(("ana", 1.0, 3.0)), levels_with(30))
    assert piece.turn is None
    (piece,) = attribute([Segment(3.5, 3.8)], turns(("ana", 1.0, 3.0)), levels_with(30))
    assert piece.turn.id == "T0"
    assert attribute([Segment(0, 1)], [], levels_with(3))[0].turn is None


def test_where_two_speak_at_once_the_piece_says_that_it_is_doubtful() -> None:
    both = turns(("ana", 1.0, 5.0), ("ben", 2.0, 3.0))
    (piece,) = attribute([Segment(2.0, 3.0)], both, levels_with(6))
    assert piece.turn.speaker == "ana" and piece.doubtful
    (alone,) = attribute([Segment(3.5, 5.0)], both, levels_with(6))
    assert not alone.doubtful


def test_pieces_are_exactly_the_speech() -> None:
    rng = np.random.default_rng(4)
    edges = np.sort(rng.uniform(0, 60, 40)).round(2)
    spoken = [Segment(float(a), float(b)) for a, b in edges.reshape(-1, 2) if b > a]
    marks = np.sort(rng.uniform(0, 60, 30)).round(2)
    people = turns(*((("ana", "ben")[i % 2], float(a), float(b)) for i, (a, b) in enumerate(marks.reshape(-1, 2))))
    pieces = attribute(spoken, people, rng.uniform(-60, -20, 6100).astype(np.float32))
    assert total_time([p.segment for p in pieces]) == pytest.approx(total_time(spoken))
    assert sum(p.segment.duration for p in pieces) == pytest.approx(sum(s.duration for s in spoken))
    assert shared_time([p.segment for p in pieces], spoken) == pytest.approx(total_time(spoken))


def test_shared_time_counts_every_second_once() -> None:
    a = [Segment(0, 2), Segment(1, 3), Segment(5, 6)]
    assert union(a) == [Segment(0, 3), Segment(5, 6)]
    assert total_time(a) == 4 and shared_time(a, [Segment(2, 5.5), Segment(2.5, 5.5)]) == 1.5
