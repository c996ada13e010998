"""Speaker names that last."""

import numpy as np

from dubkit.speech.base import Diarization
from dubkit.speech.turns import make_turns
from dubkit.speech.voices import by_time, by_voice, continued, renamed


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_by_time_the_longest_common_speech_decides():
    old = make_turns([(0, 4, "ann"), (5, 9, "ben")])
    new = make_turns([(0, 4, "SPEAKER_01"), (4.5, 9, "SPEAKER_00")])
    assert by_time(old, new) == {"SPEAKER_01": "ann", "SPEAKER_00": "ben"}
    assert by_time((), new) == {}


def test_by_voice_is_one_to_one_and_refuses_strangers():
    known = {"ann": unit(1, 0, 0), "ben": unit(0, 1, 0)}
    found = {"S0": unit(0.9, 0.1, 0), "S1": unit(0.8, 0.3, 0), "S2": unit(0, 0, 1)}
    assert by_voice(known, found) == {"S0": "ann"}
    assert by_voice(known, {"S0": unit(1, 0)}) == {}  # another engine's vector


def test_renamed_never_gives_two_people_one_name():
    turns = make_turns([(0, 1, "SPEAKER_00"), (1, 2, "SPEAKER_01"), (2, 3, "SPEAKER_02")])
    found = Diarization(turns, turns, {"SPEAKER_00": unit(1, 0), "SPEAKER_01": unit(0, 1)})
    new = renamed(found, {"SPEAKER_01": "SPEAKER_00"})
    assert [t.speaker for t in new.turns] == ["SPEAKER_01", "SPEAKER_00", "SPEAKER_02"]
    assert [t.speaker for t in new.exclusive] == [t.speaker for t in new.turns]
    assert np.array_equal(new.embeddings["SPEAKER_00"], unit(0, 1))
    assert np.array_equal(new.embeddings["SPEAKER_01"], unit(1, 0))


def test_continued_keeps_names_and_ids_and_knows_old_friends():
    old = make_turns([(0, 4, "ann"), (5, 9, "ben")])
    turns = make_turns([(0, 3.9, "SPEAKER_01"), (5, 9, "SPEAKER_00"), (10, 12, "SPEAKER_02"), (13, 14, "SPEAKER_03")])
    found = Diarization(
        turns, turns, {"SPEAKER_01": unit(1, 0, 0), "SPEAKER_02": unit(0, 1, 0), "SPEAKER_03": unit(0, 0, 1)}
    )
    known = {"ann": unit(1, 0, 0), "cleo": unit(0, 1, 0.1), "SPEAKER_03": unit(1, -1, 0)}
    new = continued(found, old, known)
    assert [(t.id, t.speaker) for t in new.turns] == [
        ("t0001", "ann"), ("t0002", "ben"), ("t0003", "cleo"), ("t0004", "SPEAKER_00"),
    ]  # fmt: skip
    assert set(new.embeddings) == {"ann", "cleo", "SPEAKER_00"}
    assert continued(found).turns == turns
