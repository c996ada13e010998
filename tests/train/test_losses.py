"""Every loss against numbers worked out by hand, and gradients that flow only where they should."""

from __future__ import annotations

import math

import pytest
import torch

from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.losses import (
    colour_l1,
    contrastive_margin,
    cosine_bce,
    edge_l1,
    mouth_in_grey,
    mouth_region,
    mouth_weights,
    pair_margin,
    picture_loss,
    shift_contrast,
    sync_choice,
    sync_cosine,
    wav2lip_total,
    weighted_l1,
)
from tests.train.tiny import TINY


def test_cosine_bce():
    voice = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    mouth = torch.tensor([[0.6, 0.8], [0.6, 0.8]])
    # cosines 0.6 (out of sync) and 1 (in sync): -(log 0.4 + log 1) / 2
    assert cosine_bce(voice, mouth, torch.tensor([0, 1])).item() == pytest.approx(-math.log(0.4) / 2, abs=1e-6)


def test_shift_contrast():
    one = torch.eye(3)[None]
    # each row: the right score t, two wrong ones 0
    expected = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert shift_contrast(one, one, torch.tensor(2.0)).item() == pytest.approx(expected, abs=1e-6)
    # neighbours left out: the middle window has no wrong choice, the outer ones have one
    outer = -math.log(math.exp(2) / (math.exp(2) + 1))
    assert shift_contrast(one, one, torch.tensor(2.0), ignore=1).item() == pytest.approx(2 * outer / 3, abs=1e-6)


def test_contrastive_margin():
    video, audio = torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    # d = 5: in sync 25, out of sync (20 − 5)² = 225; halved mean
    assert contrastive_margin(video, audio, torch.tensor([1, 0])).item() == pytest.approx((25 + 225) / 4)
    assert contrastive_margin(video, 10 * audio, torch.tensor([1, 0])).item() == pytest.approx(2500 / 4)


def test_weighted_l1():
    made, real = torch.zeros(1, 3, 96, 96), torch.zeros(1, 3, 96, 96)
    rows, columns = mouth_region(96)
    real[:, :, rows, columns] = 1
    inside = (96 - 56) * (77 - 19) / 96**2
    assert weighted_l1(made, real).item() == pytest.approx(inside, abs=1e-6)
    weights = mouth_weights(96, 3.0)
    assert weights.mean().item() == pytest.approx(1, abs=1e-6)
    assert weighted_l1(made, real, weights).item() == pytest.approx(3 * inside / (1 + 2 * inside), abs=1e-5)


def test_edge_l1_sees_a_dither_that_keeps_the_mean():
    real = torch.full((1, 3, 4, 4), 0.5)
    dither = real + 0.1 * (1 - 2 * ((torch.arange(4)[:, None] + torch.arange(4)) % 2))
    assert edge_l1(real, real).item() == 0
    assert edge_l1(dither, real).item() == pytest.approx(0.2, abs=1e-6)  # neighbours differ by 0.2 both ways
    assert edge_l1(dither, real, torch.full((4, 4), 3.0)).item() == pytest.approx(0.6, abs=1e-6)


def test_total():
    assert wav2lip_total(torch.tensor(0.1), 0.5, 0.03, 2.0, 0.07).item() == pytest.approx(0.015 + 0.14 + 0.09)


def test_pair_margin():
    near, late, made = torch.tensor([0.3, 0.1]), torch.tensor([0.4, 2.0]), torch.tensor([1.0, 0.0])
    # near: (0.09 + 0.01) / 2; late: (0.6² + 0) / 2; made: (0 + 1) / 2; the wrong kinds share one half
    assert pair_margin(near, (late, made), 1.0).item() == pytest.approx(0.05 + (0.18 + 0.5) / 2)


def test_sync_choice_by_hand():
    class Blind:  # every mouth is (1, 0); the right voice is (0.6, 0.8), the wrong one (1, 0)
        def mouth(self, mouths):
            return torch.tensor([[1.0, 0.0]]).expand(len(mouths), 2)

        def voice(self, mel):
            return torch.tensor([[0.6, 0.8], [1.0, 0.0]])

    loss = sync_choice(Blind(), torch.rand(5, 3, 96, 96), torch.zeros(1, 2, 1, 80, 16), frames=5, temperature=2.0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(2 * (1 - 0.6))), abs=1e-6)


def test_sync_cosine_by_hand():
    class Blind:  # two clips' mouths are (1, 0); the first clip's own voice is (0.6, 0.8), the second's (1, 0)
        def mouth(self, mouths):
            return torch.tensor([[1.0, 0.0]]).expand(len(mouths), 2)

        def voice(self, mel):
            assert mel[:, 0, 0, 0].tolist() == [3, 4]  # the first of the choices only
            return torch.tensor([[0.6, 0.8], [1.0, 0.0]])

    voices = torch.zeros(2, 3, 1, 80, 16)
    voices[:, 0] = torch.tensor([3.0, 4.0]).view(2, 1, 1, 1)
    loss = sync_cosine(Blind(), torch.rand(10, 3, 96, 96), voices, frames=5)
    assert loss.item() == pytest.approx(-math.log(0.6) / 2, abs=1e-6)


def test_the_expert_passes_gradients_on_and_keeps_none():
    torch.manual_seed(0)
    model, expert = Wav2Lip(TINY), SmallExpert().eval().requires_grad_(False)
    before = {name: value.clone() for name, value in expert.state_dict().items()}
    made = model(torch.randn(5, 1, 80, 16), torch.rand(5, 6, 96, 96))
    sync_choice(expert, made, torch.randn(1, 4, 1, 80, 16), frames=5, temperature=15.0).backward()
    assert all(p.grad is None for p in expert.parameters())
    assert all(torch.equal(value, before[name]) for name, value in expert.state_dict().items())
    assert model.audio_encoder[0].conv_block[0].weight.grad.abs().sum() > 0


def test_the_sync_loss_looks_at_the_lower_half_only():
    expert = SmallExpert().eval().requires_grad_(False)
    made = torch.rand(5, 3, 96, 96, requires_grad=True)
    sync_choice(expert, made, torch.randn(1, 4, 1, 80, 16), frames=5, temperature=15.0).backward()
    assert made.grad[:, :, :48].abs().max() == 0 and made.grad[:, :, 48:].abs().max() > 0


def test_colour_l1_sees_a_tint_and_not_a_shade():
    real = torch.full((1, 3, 4, 4), 0.5)
    assert colour_l1(real - 0.2, real).item() == pytest.approx(0, abs=1e-7)
    tinted = real + torch.tensor([0.3, 0.0, -0.3])[None, :, None, None]
    assert colour_l1(tinted, real).item() == pytest.approx(0.2)


def test_picture_loss_adds_what_is_asked_for():
    made, real = torch.rand(2, 1, 3, 8, 8)
    parts = [loss(made, real).item() for loss in (weighted_l1, edge_l1, colour_l1)]
    assert picture_loss(made, real).item() == pytest.approx(parts[0])
    assert picture_loss(made, real, None, 0.5, 2.0).item() == pytest.approx(parts[0] + 0.5 * parts[1] + 2 * parts[2])


def test_the_mouth_in_grey_is_judged_alone():
    made, real = torch.rand(2, 3, 96, 96, requires_grad=True), torch.rand(2, 3, 96, 96)
    seen = mouth_in_grey(made, real)
    assert torch.equal(seen[:, 0], seen[:, 2])
    torch.testing.assert_close(seen[:, 0, :50], real.mean(dim=1)[:, :50])
    torch.testing.assert_close(seen[:, 0, 70, 40], made.detach()[:, :, 70, 40].mean(dim=1))
    seen.sum().backward()
    assert made.grad[:, :, :50].abs().max() == 0
    torch.testing.assert_close(made.grad[:, 0], made.grad[:, 1])  # no channel is pulled more than another
