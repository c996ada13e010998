"""Timed text of every kind and encoding."""

import json
import unicodedata

import pytest

from dubkit.errors import SpeechFileError
from dubkit.speech import cues

SRT = "1\n00:00:01,000 --> 00:00:02,500\nmarc: ¿Qué pasó?\n\n2\n00:00:03,000 --> 00:00:04,000\nmarc: Así <i>fue</i>.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_encoding_reads_the_same(tmp_path, encoding):
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.encode(encoding))
    found, notes = cues.load(path)
    assert [(c.speaker, c.text) for c in found] == [("marc", "¿Qué pasó?"), ("marc", "Así fue.")]
    assert found[0].segment.end == 2.5
    assert bool(notes) == (encoding == "cp1252")  # a guess is told


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.srt"
    path.write_bytes(b"\x81\x8d\x8f\xff")
    with pytest.raises(SpeechFileError, match="neither UTF-8"):
        cues.load(path)
    with pytest.raises(SpeechFileError, match="cannot be read"):
        cues.load(tmp_path / "gone.srt")


@pytest.mark.parametrize(
    ("suffix", "text", "says"),
    [
        (".srt", "just a letter to a friend", "not a subtitle file|holds no timed text"),
        (".srt", "", "not a subtitle file|holds no timed text"),
        (".srt", "1\n00:00:05,000 --> 00:00:02,000\nHi\n", "cue 1: it runs from 5.000 s to 2.000 s"),
        (".csv", "a,b\n1,2\n", "not a translator's sheet: its columns are a, b"),
        (".csv", "line,speaker,start,end,source,target\nt1,A,x,2,,Hi\n", "row 2: start 'x'"),
        (".csv", "line,speaker,start,end,source,target\nt1,A,-1,2,,Hi\n", "row 2: start '-1'"),
        (".json", "[]", "not a transcript as whisperX"),
        (".json", "{", "not a transcript as whisperX"),
        (".json", '{"segments": [{"start": -2, "end": 1, "text": "Hi"}]}', "segment 1 starts at -2"),
        (".json", '{"segments": [{"start": 2, "end": 1, "text": "Hi"}]}', "must not end before it starts"),
    ],
)
def test_what_is_wrong_is_named(suffix, text, says):
    with pytest.raises(SpeechFileError, match=says):
        cues.parse(text, suffix)


def test_speakers_of_webvtt_and_ass():
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann Lee>Hi <b>there</b>\n"
    assert [(c.speaker, c.text) for c in cues.parse(vtt, ".vtt")] == [("Ann Lee", "Hi there")]
    ass = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,Arial\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ben,0,0,0,,{\\i1}Hola{\\i0}\\Namigo\n"
        "Comment: 0,0:00:01.00,0:00:02.00,Default,Ben,0,0,0,,not spoken\n"
    )
    assert [(c.speaker, c.text) for c in cues.parse(ass, ".ass")] == [("Ben", "Hola\namigo")]


def test_a_name_is_the_same_however_its_accent_is_written(tmp_path):
    text = "1\n00:00:01,000 --> 00:00:02,000\nJosé: Mañana.\n\n2\n00:00:03,000 --> 00:00:04,000\nJosé: Sí.\n"
    (tmp_path / "mac.srt").write_text(unicodedata.normalize("NFD", text), "utf-8")
    found, _ = cues.load(tmp_path / "mac.srt")
    assert [(cue.speaker, cue.text) for cue in found] == [("José", "Mañana."), ("José", "Sí.")]


def test_a_colon_alone_makes_no_speaker():
    text = "".join(
        f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{said}\n\n"
        for i, said in enumerate(["Nota: llega tarde.", "Ya lo sé.", "Son las 10:30."], 1)
    )
    assert [c.speaker for c in cues.parse(text, ".srt")] == [None, None, None]
    assert cues.parse(text, ".srt")[0].text == "Nota: llega tarde."


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_sheets_as_spreadsheets_write_them(delimiter, end):
    rows = ["line,speaker,start,end,source,target", "t0001,A,1.5,2.5,Hello,Hola", "t0002,B,3,4,Bye,"]
    text = end.join(row.replace(",", delimiter) for row in rows)
    if delimiter == ";":
        text = text.replace("1.5", "1,5")
    found = cues.parse(text, ".csv")
    assert [(c.line_id, c.segment.start, c.source, c.text) for c in found] == [
        ("t0001", 1.5, "Hello", "Hola"),
        ("t0002", 3.0, "Bye", ""),
    ]


def test_whisperx_words_keep_their_times():
    segments = [
        {"start": 1.0, "end": 2.0, "text": " Hi 7 ", "speaker": "S0",
         "words": [{"word": "Hi", "start": 1.0, "end": 1.4, "score": 0.9}, {"word": "7"}]}
    ]  # fmt: skip
    (cue,) = cues.parse(json.dumps({"segments": segments}), ".json")
    assert (cue.text, cue.speaker, [(w.text, w.segment.start, w.segment.end) for w in cue.words]) == (
        "Hi 7",
        "S0",
        [("Hi", 1.0, 1.4), ("7", 1.4, 2.0)],
    )
