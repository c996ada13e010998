"""Diarizing and transcribing that were killed go on where they were. The networks are fakes; see test_engines for real ones."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from dubkit.settings import SpeechSettings
from dubkit.speech import pyannote, whisperx
from dubkit.speech.turns import make_turns
from tests.fakes.killed import Dying


class Embedding:
    """A speaker network with properties that the pipeline reads."""

    metric = "cosine"

    def __init__(self, asked):
        self.asked = asked

    def __call__(self, waveforms, masks=None):
        self.asked.append("embedding")
        return np.outer(waveforms, masks).astype(np.float32)


def pipeline(asked):
    """The parts of pyannote's SpeakerDiarization that ask networks."""

    def infer(chunks):
        asked.append("segmentation")
        return np.sqrt(chunks).astype(np.float32)

    return SimpleNamespace(_segmentation=SimpleNamespace(infer=infer), _embedding=Embedding(asked))


def diarized(asked, pieces):
    made = pipeline(asked)
    pyannote.keep_answers(made, pieces)
    assert made._embedding.metric == "cosine"
    seen = [made._segmentation.infer(np.arange(4.0) + i) for i in range(3)]
    return seen + [made._embedding(np.arange(3.0) + i, masks=np.ones(2)) for i in range(4)]


@pytest.mark.parametrize("left", [1, 3, 6])
def test_networks_are_not_asked_again_for_what_they_said(tmp_path, left):
    everything, asked = [], []
    whole = diarized(everything, Dying(None))
    with pytest.raises(KeyboardInterrupt):
        diarized([], Dying(tmp_path / "unfinished", left))
    again = diarized(asked, Dying(tmp_path / "unfinished"))
    assert asked == everything[left:]
    assert [(x.dtype, x.tobytes()) for x in again] == [(x.dtype, x.tobytes()) for x in whole]


def test_a_pipeline_of_another_build_is_left_alone(tmp_path):
    other = SimpleNamespace()
    pyannote.keep_answers(other, Dying(tmp_path / "unfinished"))
    assert vars(other) == {}


@pytest.mark.parametrize("left", [1, 2])
def test_batches_that_were_heard_are_not_heard_again(tmp_path, monkeypatch, left):
    audio, heard = tmp_path / "a.wav", []
    soundfile.write(audio, np.zeros(16_000 * 70, np.float32), 16_000)
    turns = make_turns([(0, 2, "A"), (3, 40, "B"), (41, 44, "A"), (50, 60, "B")])  # the second has two clips

    def hear(self, model, batch, language, aligner):
        heard.append([clip.turn for clip in batch])
        return [
            [clip.turn, f"from {clip.start:g}", [[clip.start + 0.1, clip.start + 1 / 3, "wörd", 0.7]]] for clip in batch
        ]

    monkeypatch.setattr(whisperx, "load_model", lambda *_: None)
    monkeypatch.setattr(whisperx.WhisperX, "_hear", hear)
    settings = SpeechSettings(batch_size=2, vad=False)

    def transcribed(pieces):
        heard.clear()
        return whisperx.WhisperX().transcribe(audio, turns, settings, "en", lambda done, total: None, pieces)

    whole = transcribed(Dying(None))
    assert heard == [[0, 1], [1, 2], [3]] and whole[1].text.count("from") == 2
    with pytest.raises(KeyboardInterrupt):
        transcribed(Dying(tmp_path / "unfinished", left))
    assert transcribed(Dying(tmp_path / "unfinished")) == whole
    assert heard == [[0, 1], [1, 2], [3]][left:]
