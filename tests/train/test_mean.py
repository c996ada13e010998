"""The mean of fine-tuned weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dubkit.errors import WeightsError
from dubkit.lips.models.loading import file_digest, load_generator, read_meta, save_weights
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.mean import mean_of
from tests.train.tiny import TINY


def generator(path, seed: int, config=TINY, **facts):
    torch.manual_seed(seed)
    save_weights(Wav2Lip(config), "wav2lip", path, {"data": "made up", **facts})
    return path


def test_every_weight_is_the_mean_and_the_parents_are_named(tmp_path):
    files = [generator(tmp_path / f"{n}.safetensors", n, licence=f"licence {n % 2}") for n in range(3)]
    told = mean_of(files, tmp_path / "mean.safetensors")
    states = [load_generator(file).state_dict() for file in files]
    for name, value in load_generator(tmp_path / "mean.safetensors").state_dict().items():
        if value.is_floating_point():
            mean = sum(state[name] for state in states) / 3
            assert torch.allclose(value, mean, atol=1e-6, rtol=1e-3), name  # kept in half precision
    assert told == read_meta(tmp_path / "mean.safetensors")
    assert [parent["digest"] for parent in told["mean_of"]] == [file_digest(file) for file in files]
    assert (told["licence"], told["data"]) == ("licence 0 | licence 1", "made up")


def test_networks_of_other_shapes_and_one_alone_are_refused(tmp_path):
    one = generator(tmp_path / "one.safetensors", 0)
    other = generator(tmp_path / "other.safetensors", 0, replace(TINY, output=4))
    with pytest.raises(WeightsError, match=r"other\.safetensors and one\.safetensors are networks of different shapes"):
        mean_of([one, other], tmp_path / "mean.safetensors")
    with pytest.raises(WeightsError, match="two weight files or more, got 1"):
        mean_of([one], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()
