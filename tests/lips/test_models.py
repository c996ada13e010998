"""The networks against the public reference code, and weight files that are right, wrapped, wrong or hostile."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dubkit.errors import SettingsError, WeightsError
from dubkit.lips.models.expert import ExpertConfig, LipSyncExpert, mouth_stack
from dubkit.lips.models.loading import (
    BUNDLED_EXPERT,
    BUNDLED_GENERATOR,
    load_expert,
    load_generator,
    meta_path,
    read_meta,
    read_state,
    save_weights,  # fmt: skip
)
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.syncnet import SyncNet, syncnet_from_state
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig, given_pixels, strides
from tests.lips.seeded import seeded_state

GOLDEN = Path(__file__).parent.parent / "golden" / "wav2lip_reference.npz"
TINY = Wav2LipConfig(face=(2, 3, 4, 4, 5, 6, 6), audio=(2, 3, 4, 5, 6), decoder=(6, 6, 5, 4, 4, 3, 2), output=3)


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN)


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(9)
    drawn = [rng.normal(0, 1.5, (2, 1, 80, 16)), rng.uniform(0, 1, (2, 6, 96, 96)), rng.uniform(0, 1, (2, 15, 48, 96)),
             rng.normal(0, 5, (2, 1, 13, 20)), rng.uniform(0, 255, (1, 3, 5, 224, 224))]  # fmt: skip
    return [torch.from_numpy(values.astype(np.float32)) for values in drawn]


def entries(model) -> list[str]:
    return sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in model.state_dict().items())


@torch.no_grad()
def test_generator_is_the_reference_generator(golden, inputs):
    model = seeded_state(Wav2Lip())
    assert entries(model) == golden["generator_keys"].tolist()
    made = model(inputs[0], inputs[1]).numpy()
    assert made.shape == (2, 3, 96, 96)
    assert np.abs(made[:, :, ::6, ::6] - golden["generator"]).max() <= 1e-4


@torch.no_grad()
def test_expert_is_the_reference_expert(golden, inputs):
    model = seeded_state(LipSyncExpert())
    assert entries(model) == golden["expert_keys"].tolist()
    voice, mouth = model(inputs[0], inputs[2])
    assert np.abs(voice[:, ::4].numpy() - golden["expert_voice"]).max() <= 1e-4
    assert np.abs(mouth[:, ::4].numpy() - golden["expert_mouth"]).max() <= 1e-4
    assert torch.allclose(voice.norm(dim=1), torch.ones(2), atol=1e-5) and voice.min() >= 0


@torch.no_grad()
def test_syncnet_is_the_reference_syncnet(golden, inputs):
    model = seeded_state(SyncNet())
    assert entries(model) == golden["syncnet_keys"].tolist()
    assert np.abs(model.voice(inputs[3])[:, ::8].numpy() - golden["syncnet_voice"]).max() <= 1e-4
    assert np.abs(model.face(inputs[4])[:, ::8].numpy() - golden["syncnet_face"]).max() <= 1e-4


@torch.no_grad()
@pytest.mark.parametrize("size", [96, 144, 192, 288])
def test_other_sizes_give_pictures_of_their_size(size):
    config = Wav2LipConfig(**{**TINY.to_dict(), "size": size})
    made = Wav2Lip(config).eval()(torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, size, size))
    assert made.shape == (1, 3, size, size)


def test_sizes_that_do_not_reach_three_pixels_are_refused():
    assert strides(96) == (2, 2, 2, 2, 2) and strides(288) == (2, 2, 2, 2, 2, 3)
    with pytest.raises(SettingsError, match="100"):
        Wav2LipConfig(size=100)


@torch.no_grad()
def test_five_dimensions_are_frames_one_by_one():
    model = seeded_state(Wav2Lip(TINY))
    mel, faces = torch.randn(2, 5, 1, 80, 16), torch.rand(2, 6, 5, 96, 96)
    together = model(mel, faces)
    assert together.shape == (2, 3, 5, 96, 96)
    assert torch.allclose(together[1, :, 3], model(mel[1, 3][None], faces[1, :, 3][None])[0], atol=1e-6)


@torch.no_grad()
def test_composite_keeps_what_it_was_given_where_its_mask_is_low():
    model = Wav2Lip(Wav2LipConfig(**{**TINY.to_dict(), "composite": True})).eval()
    torch.nn.init.zeros_(model.output_block[1].weight)
    model.output_block[1].bias.copy_(torch.tensor([0.0, 0.0, 0.0, -30.0]))
    faces = torch.rand(1, 6, 96, 96)
    made = model(torch.randn(1, 1, 80, 16), faces)
    assert torch.allclose(made, given_pixels(faces), atol=1e-6)
    assert torch.equal(given_pixels(faces)[:, :, 48:], faces[:, 3:, 48:])


def test_mouth_stack_orders_frames_then_colours():
    faces = torch.arange(5.0)[None, None, :, None, None] * 10 + torch.arange(3.0)[None, :, None, None, None]
    stacked = mouth_stack(faces.expand(1, 3, 5, 96, 96))
    assert stacked.shape == (1, 15, 48, 96)
    assert stacked[0, :, 0, 0].tolist() == [10 * frame + colour for frame in range(5) for colour in range(3)]


def test_a_narrow_expert_with_a_strided_stem_ends_in_one_pixel():
    model = LipSyncExpert(ExpertConfig(width=2, stem_stride=2)).eval()
    assert model.mouth(torch.rand(1, 15, 48, 96)).shape == (1, 32)


@torch.no_grad()
def test_the_small_expert_is_blind_to_brightness_and_contrast(tmp_path):
    model = seeded_state(SmallExpert())
    mouths = torch.rand(2, 15, 48, 96)
    plain, dimmed = model.mouth(mouths), model.mouth(0.6 * mouths + 0.2)
    assert torch.allclose(plain.norm(dim=1), torch.ones(2), atol=1e-5)
    assert (plain * dimmed).sum(dim=1).min() > 0.97 and (plain[0] @ plain[1]).item() < 0.999
    path = tmp_path / "expert.safetensors"
    save_weights(model, "small-expert", path, {})
    assert isinstance(load_expert(path), SmallExpert)


def test_the_bundled_weights_are_what_their_meta_says():
    for path, load in ((BUNDLED_GENERATOR, load_generator), (BUNDLED_EXPERT, load_expert)):
        meta = read_meta(path)
        assert meta["licence"].startswith("research") and meta["config"] == load(path).config.to_dict()
        assert meta["steps"] > 0 and all(meta[key] for key in ("data", "data_digest", "losses"))
    assert BUNDLED_GENERATOR.stat().st_size + BUNDLED_EXPERT.stat().st_size <= 16_000_000


def test_official_files_with_wrappers_load(tmp_path):
    model = seeded_state(Wav2Lip())
    wrapped = {"module." + name: value for name, value in model.state_dict().items()}
    path = tmp_path / "wav2lip_gan.pth"
    torch.save({"state_dict": wrapped, "optimizer": {"state": {}, "param_groups": []}, "global_step": 7}, path)
    loaded = load_generator(path)
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values(), strict=True)
    )
    assert not loaded.training


def test_weights_are_loaded_without_symbolic_mathematics():
    asked = "import sys; from dubkit.lips.models.loading import load_generator as load; load(); print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert done.stdout.strip() == "False"  # 37 MB


def test_ours_come_back_with_their_architecture_and_meta(tmp_path):
    model = seeded_state(Wav2Lip(TINY))
    path = tmp_path / "small.safetensors"
    written = save_weights(model, "wav2lip", path, {"licence": "research"})
    first = path.read_bytes()
    save_weights(model, "wav2lip", path, {"licence": "research"})
    assert path.read_bytes() == first
    loaded = load_generator(path)
    assert loaded.config == TINY and read_meta(path) == written and written["licence"] == "research"
    for name, value in model.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name].float(), value.float(), atol=2e-3), name


def test_meta_of_another_file_is_refused(tmp_path):
    path = tmp_path / "small.safetensors"
    save_weights(Wav2Lip(TINY), "wav2lip", path, {})
    meta_path(path).write_text(meta_path(path).read_text().replace("sha256:", "sha256:0"))
    with pytest.raises(WeightsError, match="digests differ"):
        read_meta(path)


def test_wrong_files_are_named(tmp_path):
    page = tmp_path / "wav2lip.pth"
    page.write_text("<!DOCTYPE html><html></html>")
    with pytest.raises(WeightsError, match=r"wav2lip\.pth.*HTML"):
        load_generator(page)
    with pytest.raises(WeightsError, match="no weight file"):
        load_generator(tmp_path / "absent.pth")
    expert = tmp_path / "expert.safetensors"
    save_weights(LipSyncExpert(ExpertConfig(width=2)), "expert", expert, {})
    with pytest.raises(WeightsError, match="'expert' network, expected 'wav2lip'"):
        load_generator(expert)
    torch.save(LipSyncExpert(ExpertConfig(width=2)).state_dict(), page)
    with pytest.raises(WeightsError, match="lacks.*face_encoder_blocks"):
        load_generator(page)
    with pytest.raises(WeightsError, match="other shapes"):
        load_expert(page)
    torch.save({"step": 3}, page)
    with pytest.raises(WeightsError, match="no state dict"):
        read_state(page)
    with pytest.raises(WeightsError, match="no SyncNet"):
        syncnet_from_state({"a": torch.zeros(1)}, "syncnet_v2.model")


def test_a_checkpoint_that_would_run_code_does_not(tmp_path):
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harmed",))

    path = tmp_path / "wav2lip.pth"
    torch.save({"state_dict": Harm()}, path)
    with pytest.raises(WeightsError, match="read safely"):
        load_generator(path)
    path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(WeightsError):
        load_generator(path)
    assert not (tmp_path / "harmed").exists()
