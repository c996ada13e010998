"""Engine, precision and weights fit together, or one sentence says what to set; asked before any work begins."""

import json

import pytest
import torch
from safetensors.torch import save_file

from dubkit.errors import SettingsError
from dubkit.lips.base import generator
from dubkit.lips.checkpoint import INT8, network_digests
from dubkit.settings import LipsSettings


@pytest.fixture
def quantized(tmp_path, monkeypatch):
    """A folder of models with a file that says it is int8."""
    monkeypatch.setenv("DUBKIT_MODELS", str(tmp_path))
    header = {"dubkit": json.dumps({"architecture": INT8, "config": {}})}
    save_file({"model.xml": torch.zeros(1)}, tmp_path / "small-int8.safetensors", metadata=header)
    return tmp_path


@pytest.mark.parametrize("asked", [network_digests, generator])
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"weights": "small-int8"}, "set lips.engine = 'openvino'"),
        ({"weights": "small-int8", "engine": "openvino", "precision": "fp32"}, "set lips.precision = 'auto'"),
        ({"precision": "int8"}, "dubkit models quantize auto --film FILM', then set lips.weights = 'dubkit-96-small-int8'"),
        ({"precision": "int8", "engine": "openvino"}, "'dubkit-96-small-int8' and lips.engine = 'openvino'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_what_to_set(quantized, asked, wanted, said):
    with pytest.raises(SettingsError) as error:
        asked(LipsSettings(**wanted))
    assert said in str(error.value)


def test_int8_that_was_made_before_is_only_named(quantized):
    (quantized / "small-int8.safetensors").rename(quantized / "dubkit-96-small-int8.safetensors")
    with pytest.raises(SettingsError) as error:
        network_digests(LipsSettings(precision="int8"))
    assert "models quantize" not in str(error.value) and "set lips.weights = 'dubkit-96-small-int8'" in str(error.value)


def test_what_fits_passes(quantized):
    for wanted in ({}, {"engine": "openvino"}, {"weights": "small-int8", "engine": "openvino", "precision": "int8"}):
        assert network_digests(LipsSettings(**wanted))
