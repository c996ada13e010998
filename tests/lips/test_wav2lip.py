"""The PyTorch generator: exact where it saves work, honest about devices and precisions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dubkit.errors import EngineUnavailable, SettingsError, WeightsError
from dubkit.lips.base import generator
from dubkit.lips.lower import LowerHalf, folded
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.lips.wav2lip import TorchWav2Lip, choose_device, choose_precision, cpu_has_bf16
from dubkit.settings import LipsSettings


def network(width=4, size=96, composite=False):
    """Seeded, with batch norms that do something: for arithmetic only."""
    torch.manual_seed(0)
    model = Wav2Lip(replace(Wav2LipConfig.of_width(width, size), composite=composite)).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return model


@pytest.mark.parametrize(
    ("size", "width", "composite"),
    [(96, 4, False), (96, 4, True), (96, 6, False), (144, 4, True), (192, 4, False), (288, 2, True)],
)
def test_folded_lower_half_equals_the_whole_network(size, width, composite):
    model = network(width, size, composite)
    mel, faces = torch.randn(2, 1, 80, 16), torch.rand(2, 6, size, size)
    with torch.inference_mode():
        whole, lower = model(mel, faces)[:, :, size // 2 :], LowerHalf(folded(model))(mel, faces)
    assert whole.std() > 0.01
    assert (whole - lower).abs().max() <= 1e-5


def test_folding_leaves_the_model_as_it_was():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("count", [1, 5])
def test_bytes_in_bytes_out_as_the_plain_network_gives_them(count):
    model = network()
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(count, 1, 80, 16)).astype(np.float32)
    crops, references = rng.integers(0, 256, (2, count, 96, 96, 3)).astype(np.uint8)
    made = TorchWav2Lip(LipsSettings(device="cpu", precision="fp32"), model, {}).generate(windows, crops, references)
    hidden, bgr = (torch.from_numpy(a[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 255 for a in (crops, references))
    hidden[:, :, 48:] = 0
    with torch.inference_mode():
        plain = model(torch.from_numpy(windows), torch.cat((hidden, bgr), 1))
    plain = (plain * 255).round().byte().permute(0, 2, 3, 1).numpy()[..., ::-1]
    assert made.dtype == np.uint8 and np.array_equal(made[:, :48], crops[:, :48])
    assert np.abs(made[:, 48:].astype(int) - plain[:, 48:]).max() <= 1


def test_bf16_stays_close():
    model = network(composite=True)
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(4, 1, 80, 16)).astype(np.float32)
    crops = references = rng.integers(0, 256, (4, 96, 96, 3), np.uint8)
    full, low = (TorchWav2Lip(LipsSettings(device="cpu", precision=p), model, {}).generate(windows, crops, references)
                 for p in ("fp32", "bf16"))  # fmt: skip
    error = np.square(full.astype(float) - low).mean()
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 35  # random weights; the floor for trained ones is in the bench


def test_out_of_memory_is_a_memory_error(monkeypatch):
    paint = TorchWav2Lip(LipsSettings(device="cpu"), network(), {})
    for error in (
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):
        monkeypatch.setattr(paint, "_faces", lambda *_, error=error: (_ for _ in ()).throw(error))
        with pytest.raises(MemoryError):
            paint.generate(np.zeros((1, 1, 80, 16), np.float32), *np.zeros((2, 1, 96, 96, 3), np.uint8))
    monkeypatch.setattr(paint, "_faces", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        paint.generate(np.zeros((1, 1, 80, 16), np.float32), *np.zeros((2, 1, 96, 96, 3), np.uint8))


def test_devices_and_precisions_are_said():
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == ("bf16" if cpu_has_bf16() else "fp32")
    assert choose_precision("auto", torch.device("cuda")) == "fp16"
    with pytest.raises(SettingsError, match="for GPUs"):
        choose_precision("fp16", cpu)
    with pytest.raises(SettingsError, match="int8"):
        choose_precision("int8", cpu)
    with pytest.raises(SettingsError, match="not a device"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(EngineUnavailable, match="no cuda"):
            choose_device("cuda")
    about = TorchWav2Lip(LipsSettings(device="cpu", precision="fp32"), network(), {"weights": "x"}).about
    assert about == {"engine": "wav2lip", "device": "cpu", "precision": "fp32", "weights": "x"}


def test_unknown_engine_and_absent_weights_are_named(tmp_path):
    with pytest.raises(SettingsError, match="choose one of"):
        generator(LipsSettings(engine="magic"))
    with pytest.raises(WeightsError, match="nobody.pth"):
        generator(LipsSettings(weights=str(tmp_path / "nobody.pth"), device="cpu"))
