"""Transcripts from files, one line a turn."""

import json
import logging

import pytest

from dubkit.errors import SpeechFileError
from dubkit.settings import SpeechSettings
from dubkit.speech import base, transcripts
from dubkit.speech.turns import make_turns

TURNS = make_turns([(1, 2, "A"), (2.2, 4, "B"), (6, 9, "A")])


def test_words_with_times_go_to_their_turn(tmp_path):
    words = [("Hi", 1.1, 1.4), ("there", 1.6, 2.1), ("Oh", 2.15, 2.5), ("hello", 2.6, 3.0), ("lost", 20, 20.4)]
    segment = {"start": 1.1, "end": 3, "text": "Hi there Oh hello lost",
               "words": [{"word": w, "start": a, "end": b, "score": 0.5} for w, a, b in words]}  # fmt: skip
    path = tmp_path / "film.json"
    path.write_text(json.dumps({"segments": [segment]}))
    lines = base.transcribe(None, TURNS, SpeechSettings(transcript=str(path)), "en")
    assert [line.text for line in lines] == ["Hi there", "Oh hello", ""]
    assert [line.turn_id for line in lines] == [turn.id for turn in TURNS]
    assert all(
        w.segment.start >= line.segment.start and w.segment.end <= line.segment.end
        for line in lines
        for w in line.words
    )


def test_words_keep_the_speaker_that_the_file_gives_them(tmp_path):
    said = [
        ("Hi", 1.1, 1.4, "X"),
        ("there", 1.6, 1.9, "X"),
        ("Oh", 2.3, 2.6, "Y"),
        ("well", 2.7, 2.9, "X"),
        ("hm", 3, 3.9, "Y"),
    ]
    segments = [{"start": words[0][1], "end": words[-1][2], "text": " ".join(w[0] for w in words), "speaker": words[0][3],
                 "words": [{"word": w, "start": a, "end": b, "speaker": s} for w, a, b, s in words]}
                for words in (said[:2], said[2:])]  # fmt: skip
    path = tmp_path / "film.json"
    path.write_text(json.dumps({"segments": segments}))
    turns = make_turns([(1, 3, "A"), (2.2, 4, "B")])
    lines = base.transcribe(None, turns, SpeechSettings(transcript=str(path)), "en")
    assert [line.text for line in lines] == ["Hi there well", "Oh hm"]  # "well" lies in both turns
    assert [[w.speaker for w in line.words] for line in lines] == [["A", "A", "A"], ["B", "B"]]


def test_subtitles_as_transcript_and_what_is_left_out_is_logged(tmp_path, caplog):
    path = tmp_path / "film.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:06,000 --> 00:00:07,000\nWe\n\n"
                    "3\n00:00:07,500 --> 00:00:09,000\nwent.\n\n4\n00:00:30,000 --> 00:00:31,000\nNobody.\n")  # fmt: skip
    with caplog.at_level(logging.WARNING):
        lines = transcripts.load(path, TURNS, "en")
    assert [line.text for line in lines] == ["Hello", "", "We went."]
    assert "1 words or cues lie where nobody speaks" in caplog.text


def test_a_sheet_gives_its_source_column(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text("line,speaker,start,end,source,target\nt0001,A,1,2,Hello,Hola\n")
    assert transcripts.load(path, TURNS, "en")[0].text == "Hello"


def test_another_films_transcript_is_refused(tmp_path):
    path = tmp_path / "film.srt"
    path.write_text("1\n01:00:01,000 --> 01:00:02,000\nHello\n")
    with pytest.raises(SpeechFileError, match="nothing in film.srt lies on a turn"):
        transcripts.load(path, TURNS, "en")
