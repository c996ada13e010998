"""RTTM in and out."""

import pytest

from dubkit.errors import SpeechFileError
from dubkit.speech import rttm
from dubkit.speech.turns import make_turns

TWO = """;; a comment
SPKR-INFO reel1 1 <NA> <NA> <NA> unknown ann <NA> <NA>
SPEAKER reel1 1 2.000 1.500 <NA> <NA> ben <NA> <NA>
SPEAKER reel1 1 0.500 2.000 <NA> <NA> ann 0.75 <NA>
SPEAKER reel2 1 0.000 1.000 <NA> <NA> ann <NA> <NA>
"""


def test_turns_are_sorted_and_overlaps_are_kept():
    turns = rttm.parse(TWO)["reel1"]
    assert [(t.speaker, t.segment.start, t.segment.end) for t in turns] == [("ann", 0.5, 2.5), ("ben", 2.0, 3.5)]
    assert turns[0].confidence == 0.75
    assert turns[0].segment.overlap(turns[1].segment) == 0.5


def test_round_trip(tmp_path):
    turns = make_turns([(0.125, 1.5, "ann", 0.5), (1.0, 2.0, "ben")])
    path = rttm.save(tmp_path / "film.rttm", turns, "my film")
    assert rttm.load(path, "my_film") == turns


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("SPEAKER a 1 -1.0 2.0 <NA> <NA> ann <NA> <NA>", "line 1: start is '-1.0'"),
        ("SPEAKER a 1 1.0 -2.0 <NA> <NA> ann <NA> <NA>", "duration is '-2.0'"),
        ("SPEAKER a 1 nan 2.0 <NA> <NA> ann <NA> <NA>", "start is 'nan'"),
        ("SPEAKER a 1 soon 2.0 <NA> <NA> ann <NA> <NA>", "start is 'soon'"),
        ("SPEAKER a 1 1.0 2.0", "5 fields"),
        ("this is a letter", "not an RTTM line"),
    ],
)
def test_a_bad_line_is_named(line, says):
    with pytest.raises(SpeechFileError, match=says):
        rttm.parse(line)


def test_recordings_are_chosen_by_name(tmp_path):
    path = tmp_path / "two.rttm"
    path.write_text(TWO)
    assert len(rttm.load(path, "reel2")) == 1
    with pytest.raises(SpeechFileError, match="several recordings.*reel1, reel2"):
        rttm.load(path)
    with pytest.raises(SpeechFileError, match="no recording 'reel3'; it holds: reel1, reel2"):
        rttm.load(path, "reel3")


def test_a_file_without_turns_or_no_file_at_all(tmp_path):
    path = tmp_path / "empty.rttm"
    path.write_text("")
    with pytest.raises(SpeechFileError, match="no SPEAKER line"):
        rttm.load(path)
    with pytest.raises(SpeechFileError, match=r"gone\.rttm cannot be read"):
        rttm.load(tmp_path / "gone.rttm")
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SpeechFileError, match="cannot be read as an RTTM"):
        rttm.load(path)
