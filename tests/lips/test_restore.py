"""The face restorer: its network is run on the new face, its lower half is taken, and wrong files are named."""

import numpy as np
import pytest
import torch
from lips_film import MemoryFilm, job, run
from lips_painters import ColourPainter

from dubkit.errors import WeightsError
from dubkit.lips.restore import EDGE, Restored, providers

pytest.importorskip("onnxruntime")


def exported(path, network, *given):
    pytest.importorskip("onnx", reason="torch needs it to write ONNX")
    torch.onnx.export(network, given, str(path), dynamo=False, input_names=["input", "weight"][: len(given)])
    return path


class Darker(torch.nn.Module):
    def forward(self, picture):
        return (picture + 1) * 0.5 - 1


class Weighted(torch.nn.Module):
    def forward(self, picture, weight):
        return (picture + 1) * weight - 1


def test_the_new_lower_half_is_restored_and_told(tmp_path):
    path = exported(tmp_path / "darker.onnx", Darker(), torch.zeros(1, 3, 64, 64))
    paint = Restored(ColourPainter(colour=(200, 100, 60)), path)
    crops = np.full((2, EDGE, EDGE, 3), 120, np.uint8)
    made = paint.generate(np.zeros((2, 1, 80, 16), np.float32), crops, crops)
    assert np.array_equal(made[:, : EDGE // 2], crops[:, : EDGE // 2])
    assert np.abs(made[:, EDGE // 2 + 12 :].astype(int) - (100, 50, 30)).max() <= 3
    assert paint.about["restorer"] == "darker" and paint.about["restorer_digest"].startswith("sha256:")
    assert paint.about["engine"] == "colour"


def test_the_engine_works_at_the_restorers_size(tmp_path):
    path = exported(tmp_path / "darker.onnx", Darker(), torch.zeros(1, 3, 64, 64))
    film = MemoryFilm(6)
    result = run(film, [job(0, 6)], [film.track()], Restored(ColourPainter(), path))["a"]
    assert result.crops.shape == (6, EDGE, EDGE, 3) and len(result.changed) == 6


def test_a_network_with_a_fidelity_gets_one(tmp_path):
    path = exported(tmp_path / "weighted.onnx", Weighted(), torch.zeros(1, 3, 64, 64), torch.ones(1))
    crops = np.full((1, EDGE, EDGE, 3), 100, np.uint8)
    made = Restored(ColourPainter(colour=(100, 100, 100)), path).generate(
        np.zeros((1, 1, 80, 16), np.float32), crops, crops
    )
    assert np.abs(made[0, -10:].astype(int) - 80).max() <= 2


def test_it_runs_beside_its_generator_and_says_where(tmp_path):
    there = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider"]
    assert providers("cpu", there) == providers("cuda", ["CPUExecutionProvider"]) == ["CPUExecutionProvider"]
    assert providers("cuda:1", there) == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
    assert providers("mps", there)[0][0] == "CoreMLExecutionProvider"
    path, paint = exported(tmp_path / "darker.onnx", Darker(), torch.zeros(1, 3, 64, 64)), ColourPainter()
    assert "restorer_runs_on" not in Restored(paint, path).about
    paint.about["device"] = "cuda"  # for which this machine's ONNX Runtime may not be made
    assert Restored(paint, path).about["restorer_runs_on"] in ("CPUExecutionProvider", "CUDAExecutionProvider")


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(WeightsError, match="no face restorer at"):
        Restored(ColourPainter(), tmp_path / "nothing.onnx")
    page = tmp_path / "page.onnx"
    page.write_text("<html>")
    with pytest.raises(WeightsError, match="page.onnx is not a network"):
        Restored(ColourPainter(), page)
    path = exported(tmp_path / "flat.onnx", torch.nn.Linear(4, 4), torch.zeros(1, 4))
    with pytest.raises(WeightsError, match="flat.onnx is not a face restorer"):
        Restored(ColourPainter(), path)
