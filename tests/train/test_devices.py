"""What can be known of training on a GPU without one: every page keeps its tensors on the device, bf16 spoils no loss, and a
checkpoint remembers the random numbers of every card."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dubkit.errors import SettingsError
from dubkit.lips.losses import sync_choice
from dubkit.lips.models.discriminator import QualityDiscriminator
from dubkit.lips.models.expert import ExpertConfig, LipSyncExpert
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.expert import ExpertSettings, train_expert
from dubkit.train.gan import GanSettings, train_gan
from dubkit.train.generator import GeneratorSettings, train_generator
from dubkit.train.lipgan import LipganSettings, train_lipgan
from dubkit.train.runs import Compute, Run
from dubkit.train.speech2vid import Speech2VidSettings, train_speech2vid
from dubkit.train.syncnet import SyncnetSettings, train_syncnet
from tests.fakes.elsewhere import ELSEWHERE, Elsewhere
from tests.train.tiny import TINY, made_up_shards

SHARES = {"made-up": 1.0}
PLAIN = GeneratorSettings(config=TINY.to_dict(), clips=2, shares=SHARES, choices=3)
SYNC = replace(PLAIN, frames=5, sync_weight=0.03, edges=0.5, colour=1.0, sync_in_grey=True, other_clip=0.9, laid=True)
COSINE = replace(PLAIN, frames=5, sync_weight=0.03, sync_loss="cosine", sync_below=0.75)
OFFICIAL = ExpertSettings(network="official", width=2, clips=2, windows=5, bce_share=0.3, shares=SHARES)
PAGES = {
    "generator": lambda *at, **how: train_generator(*at, PLAIN, **how),
    "generator with sync": lambda *at, **how: train_generator(*at, SYNC, expert=SmallExpert(), **how),
    "generator with the paper's sync": lambda *at, **how: train_generator(*at, COSINE, expert=LipSyncExpert(ExpertConfig(2)), **how),
    "gan": lambda *at, **how: train_gan(*at, Wav2Lip(TINY), SmallExpert(), GanSettings(SYNC, discriminator=2), **how),
    "expert": lambda *at, **how: train_expert(*at, ExpertSettings(clips=2, windows=5, ignore=1, shares=SHARES), **how),
    "official expert": lambda *at, **how: train_expert(*at, OFFICIAL, **how),
    "lipgan": lambda *at, **how: train_lipgan(*at, LipganSettings(PLAIN, discriminator=2), **how),
    "speech2vid": lambda *at, **how: train_speech2vid(*at, Speech2VidSettings(2, 2, shares=SHARES), **how),
    "syncnet": lambda *at, **how: train_syncnet(*at, SyncnetSettings(clips=2, shares=SHARES), **how),
}  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    torch.set_num_threads(1)
    return made_up_shards(tmp_path_factory.mktemp("shards"))


@pytest.mark.parametrize(
    ("name", "resident"),
    [(name, True) for name in PAGES] + [("generator with sync", False), ("expert", False), ("syncnet", False)],
)
def test_a_step_and_its_check_stay_on_their_device(shards, tmp_path, monkeypatch, name, resident):
    compute = Compute(resident=resident)
    object.__setattr__(compute, "device", ELSEWHERE)  # which nobody may ask for
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it knows no such device
    for module in ("gan", "generator", "lipgan", "speech2vid"):
        monkeypatch.setattr(f"dubkit.train.{module}.write_strip", lambda *_: None)
    for module in ("gan", "lipgan"):  # the generator's page has asked it
        monkeypatch.setattr(f"dubkit.train.{module}.mouth_l1", lambda *_: 0.0)
    with Elsewhere():
        model = PAGES[name](shards, tmp_path, steps=1, check_every=1, compute=compute)
    assert all(p.is_meta for p in model.parameters())


def test_a_strip_is_made_on_the_device(shards, tmp_path):
    from dubkit.train.data import TalkingFaces
    from dubkit.train.strips import write_strip

    with Elsewhere():
        write_strip(
            tmp_path / "strip.png", Wav2Lip(TINY).to(ELSEWHERE), TalkingFaces(shards, "val"), people=1, columns=2
        )
    assert (tmp_path / "strip.png").is_file()


@pytest.mark.parametrize("device", ["cuda:99", "cuda:x", "mps", "gpu", "meta"])
def test_devices_that_training_does_not_have_are_named(device):
    with pytest.raises(SettingsError, match=device):
        Compute(device)


def test_a_picture_keeps_its_levels_under_bf16():
    with torch.no_grad(), Compute(precision="bf16").autocast():
        made = Wav2Lip(replace(TINY, composite=False)).eval()(torch.zeros(1, 1, 80, 16), torch.rand(1, 6, 96, 96))
    assert made.dtype == torch.float32 and not torch.equal(made, made.bfloat16().float())


def test_a_judge_that_is_sure_and_wrong_still_learns_under_bf16():
    torch.manual_seed(0)
    judge = QualityDiscriminator(2)
    torch.nn.init.constant_(judge.binary_pred[0].bias, 8.0)
    with Compute(precision="bf16").autocast():
        believed = judge(torch.rand(2, 3, 96, 96))
    F.binary_cross_entropy(believed, torch.zeros_like(believed)).backward()
    assert believed.min() > 0.999 and judge.binary_pred[0].bias.grad.item() == pytest.approx(1, abs=0.01)


def test_the_choice_of_voices_is_not_rounded_under_bf16():
    class Known:
        def mouth(self, mouths):
            return F.normalize(torch.linspace(-1, 1, 16)[None].square(), dim=1)

        def voice(self, mel):
            return F.normalize(torch.linspace(0.2, 1, 16)[None] ** torch.arange(1, len(mel) + 1)[:, None], dim=1)

    made, voices = torch.rand(5, 3, 96, 96), torch.zeros(1, 4, 1, 80, 16)
    plain = sync_choice(Known(), made, voices, 5, 15.0)
    with Compute(precision="bf16").autocast():
        assert torch.equal(sync_choice(Known(), made, voices, 5, 15.0), plain)


def test_a_checkpoint_remembers_every_card_and_resumes_on_fewer(tmp_path, monkeypatch):
    cards = [torch.full((16,), 7, dtype=torch.uint8), torch.full((16,), 8, dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: cards)
    run = Run(tmp_path, {}, {}, np.random.default_rng(0))
    run.save(3)
    for count in (0, 1, 2, 3):
        found = {}
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, card, found=found: found.update({card: int(state[0])}))  # fmt: skip
        assert run.restore() == 3 and found == dict(list({0: 7, 1: 8}.items())[:count])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@pytest.mark.parametrize("page", ["generator with sync", "gan", "official expert"])
def test_cuda_learns_what_a_cpu_learns(shards, tmp_path, page):
    """For whoever has one: none was there when this was written. The first loss is of the same draws."""
    check_learning(shards, tmp_path, page, "cuda")


def check_learning(shards, folder, page, device):
    losses = []
    for number, how in enumerate((Compute(), Compute(device, resident=False), Compute(device, "bf16"))):
        run = folder / str(number)
        torch.manual_seed(1)  # of the networks that a page makes before it seeds
        PAGES[page](shards, run, steps=2, check_every=1, compute=how)
        losses.append(json.loads((run / "metrics.jsonl").read_text().splitlines()[0])["loss"])
        PAGES[page](shards, run, steps=3, check_every=1, compute=how)  # resumed
    plain, same_draws, rounded = losses
    assert same_draws == pytest.approx(plain, rel=0.01) and rounded == pytest.approx(plain, rel=0.1)
