"""Adapting keeps what helps, refuses what does not, and leaves the network it was given alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from dubkit.errors import InputError
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.adapt import adapt
from dubkit.train.data import TalkingFaces
from tests.train.tiny import TINY, made_up_shards


@pytest.fixture(scope="module")
def actor(tmp_path_factory):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    data = TalkingFaces(made_up_shards(tmp_path_factory.mktemp("shards")), "val")
    crops = data.faces[0][:, 8:104, 8:104]
    return Wav2Lip(TINY).eval(), SmallExpert().eval(), np.asarray(crops), data.mels[0]


def test_an_untrained_network_gets_closer_and_the_given_one_stays(actor):
    model, expert, crops, mel = actor
    kept = copy.deepcopy(model.state_dict())
    tuned, report = adapt(model, expert, crops, mel, steps=15, learning_rate=1e-2)
    assert report.mouth_l1_after < report.mouth_l1_before and report.held_back == 20
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert report.kept == (tuned is not model)
    fixed = [name for name, value in tuned.state_dict().items() if torch.equal(value, kept[name])]
    assert any(name.startswith("audio_encoder") for name in fixed) and len(fixed) < len(kept)


def test_what_does_not_help_is_refused(actor):
    model, expert, crops, mel = actor
    same, report = adapt(model, expert, crops, mel, steps=0)
    assert same is model and not report.kept and "did not come closer" in report.reason


def test_too_few_frames_are_named(actor):
    model, expert, crops, mel = actor
    with pytest.raises(InputError, match="20 frames are too few"):
        adapt(model, expert, crops[:20], mel)
