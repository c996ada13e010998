"""The engine 'openvino': the same pixels as PyTorch in fp32, and int8 that says what it costs."""

import numpy as np
import pytest
import torch
from seeded import seeded_state

openvino = pytest.importorskip("openvino", reason="pip install 'dubkit[openvino]'")

from dubkit.errors import InputError, SettingsError, WeightsError  # noqa: E402
from dubkit.lips.base import generator  # noqa: E402
from dubkit.lips.models.loading import load_generator, save_weights  # noqa: E402
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig  # noqa: E402
from dubkit.lips.openvino import choose_precision  # noqa: E402
from dubkit.lips.quantize import quantize  # noqa: E402
from dubkit.settings import LipsSettings  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "narrow.safetensors"
    save_weights(
        seeded_state(Wav2Lip(Wav2LipConfig.of_width(2))), "wav2lip", path, {"name": "narrow", "licence": "test"}
    )
    return path


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(24, 1, 80, 16)).astype(np.float32)
    return windows, *rng.integers(0, 256, (2, 24, 96, 96, 3)).astype(np.uint8)


def settings(weights, **more):
    return LipsSettings(weights=str(weights), **{"device": "cpu", "engine": "openvino", "batch_size": 4, **more})


def test_fp32_is_what_pytorch_paints_for_full_and_padded_batches(weights, faces):
    paint, torch_paint = (
        generator(settings(weights, engine=engine, precision="fp32")) for engine in ("openvino", "wav2lip")
    )
    for count in (4, 1, 6):  # 6: more than the batch it was made for
        some = tuple(array[:count] for array in faces)
        made, expected = paint.generate(*some), torch_paint.generate(*some)
        assert made.dtype == np.uint8 and np.array_equal(made[:, :48], some[1][:, :48])
        assert np.abs(made.astype(int) - expected).max() <= 1
    assert expected[:, 48:].std() > 1  # it paints something
    assert paint.about["engine"] == "openvino" and paint.about["weights"] == "narrow"


def test_devices_and_precisions_are_said(weights):
    with pytest.raises(SettingsError, match="runs on the CPU"):
        generator(settings(weights, device="cuda"))
    with pytest.raises(SettingsError, match="use auto or fp32"):
        choose_precision("fp16")


@pytest.mark.slow
def test_int8_is_a_file_of_its_own_with_its_loss(weights, faces, tmp_path):
    pytest.importorskip("nncf", reason="pip install 'dubkit[openvino]'")
    target = tmp_path / "narrow-int8.safetensors"
    meta = quantize(str(weights), *faces, target)
    full, small = generator(settings(weights, precision="fp32")), generator(settings(target))
    assert small.about["precision"] == "int8" and small.about["licence"] == "test"
    assert small.about["weights_digest"] == meta["digest"] and "narrow" in small.about["source"]
    held = tuple(array[::4] for array in faces)
    error = np.square(small.generate(*held)[:, 48:].astype(float) - full.generate(*held)[:, 48:]).mean()
    assert abs(10 * np.log10(255**2 / error) - meta["psnr_db"]) < 1
    with pytest.raises(WeightsError, match="int8"):
        load_generator(target)
    with pytest.raises(InputError, match="16 faces are needed"):
        quantize(str(weights), *(array[:8] for array in faces), tmp_path / "x.safetensors")
