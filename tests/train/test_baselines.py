"""GAN, LipGAN, Speech2Vid and SyncNet: a few steps each, on made-up faces; what must change changes, what must not does not."""

from __future__ import annotations

import copy
import re

import pytest
import torch

from dubkit.lips.models.discriminator import QualityDiscriminator
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.gan import GanSettings, train_gan
from dubkit.train.generator import GeneratorSettings
from dubkit.train.lipgan import LipganSettings, train_lipgan
from dubkit.train.speech2vid import Speech2VidSettings, train_speech2vid
from dubkit.train.syncnet import SyncnetSettings, grey_faces, train_syncnet
from tests.train.tiny import TINY, made_up_shards

SHARES = {"made-up": 1.0}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    torch.set_num_threads(1)
    return made_up_shards(tmp_path_factory.mktemp("shards"))


def draw(**more):
    return GeneratorSettings(config=TINY.to_dict(), clips=4, shares=SHARES, **more)


def changed(before, after) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def test_gan_trains_generator_and_judge_but_not_the_expert(shards, tmp_path):
    torch.manual_seed(0)
    expert, start = SmallExpert(), Wav2Lip(TINY)
    kept, before = copy.deepcopy(expert.state_dict()), copy.deepcopy(start)
    settings = GanSettings(generator=draw(frames=5, sync_weight=0.03, choices=4), discriminator=2)
    made = train_gan(shards, tmp_path, start, expert, settings, steps=2, check_every=2)
    assert changed(before, made)
    assert all(torch.equal(value, kept[name]) for name, value in expert.state_dict().items())
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 2 and saved["parts"]["judging"]["state"]


def test_a_resumed_gan_is_the_one_that_was_not_stopped(shards, tmp_path):
    """Both networks, both optimizers and the average come back, to the bit."""
    torch.manual_seed(0)
    expert, start = SmallExpert(), Wav2Lip(TINY)
    settings = GanSettings(generator=draw(frames=5, sync_weight=0.03, choices=4), discriminator=2)
    whole = train_gan(shards, tmp_path / "whole", copy.deepcopy(start), expert, settings, steps=3, check_every=3)
    for _ in range(3):
        pieces = train_gan(shards, tmp_path / "pieces", copy.deepcopy(start), expert, settings, steps=3, minutes=0)
    assert not changed(whole, pieces)


def test_lipgan(shards, tmp_path):
    made = train_lipgan(shards, tmp_path, LipganSettings(generator=draw(), discriminator=2), steps=2, check_every=2)
    assert not made.training and torch.isfinite(made(torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96))).all()


def test_speech2vid_learns_to_draw(shards, tmp_path):
    """On people it does not train on; the loss of a single draw rises and falls."""
    settings = Speech2VidSettings(width=2, clips=8, learning_rate=1e-2, shares=SHARES)
    told = []
    train_speech2vid(shards, tmp_path, settings, steps=30, check_every=10, report=told.append)
    first, *_, last = (float(re.search(r"mouth_l1_made-up ([\d.]+)", line)[1]) for line in told if "mouth_l1" in line)
    assert last < 0.9 * first and (tmp_path / "strip.png").is_file()


@pytest.mark.slow
def test_syncnet(shards, tmp_path):
    model = train_syncnet(shards, tmp_path, SyncnetSettings(clips=2, shares=SHARES), steps=1)
    assert not model.training


def test_the_quality_discriminator_has_the_official_names():
    names = list(QualityDiscriminator().state_dict())
    assert names[0] == "face_encoder_blocks.0.0.conv_block.0.weight" and names[-1] == "binary_pred.0.bias"
    assert len(names) == 28


def test_syncnet_sees_grey_faces_of_224_pixels():
    faces = torch.full((2, 5, 96, 96, 3), 100, dtype=torch.uint8)
    grey = grey_faces(faces)
    assert grey.shape == (2, 3, 5, 224, 224) and grey.min() == pytest.approx(100, abs=1e-3)
