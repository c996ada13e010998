"""Adapting keeps what helps, refuses what does not, and leaves the network it was given alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dubkit.errors import InputError
from dubkit.lips.adapt import Footage, _Actor, adapt
from dubkit.lips.mel import melspectrogram
from dubkit.lips.models.wav2lip import Wav2Lip
from tests.train.tiny import TINY, made_up_face


class Sharp:
    """A judge made for the made-up face: how loud each of five frames is, against how dark each of five mouths is."""

    def to(self, device):
        return self

    eval = requires_grad_ = lambda self, *_: self

    def voice(self, mel):
        amplitude = 10 ** (0.625 * mel.mean(dim=(1, 2)))  # a unit of mel is 12.5 dB
        return _shape(F.adaptive_avg_pool1d(amplitude, 5))

    def mouth(self, mouths):
        return _shape(-mouths.unflatten(1, (5, 3)).mean(dim=(2, 3, 4)))


def _shape(values):
    return F.normalize(values - values.mean(dim=1, keepdim=True), dim=1)


@pytest.fixture(scope="module")
def actor():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    faces, audio = made_up_face(np.random.default_rng(4), seconds=4)
    footage = Footage(np.ascontiguousarray(faces[:, 8:104, 8:104]), melspectrogram(audio.astype(np.float32) / 32768))
    return Wav2Lip(TINY).eval(), Sharp(), footage


def moved(footage, frames):
    return Footage(np.roll(footage.crops, frames, axis=0), footage.mel)


def test_an_untrained_network_gets_closer_and_the_given_one_stays(actor):
    model, expert, footage = actor
    kept = copy.deepcopy(model.state_dict())
    tuned, report = adapt(model, expert, [footage], steps=15, learning_rate=1e-2)
    assert report.mouth_l1_after < report.mouth_l1_before and report.held_back == 20
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert report.kept == (tuned is not model) == (report.sync_after >= report.sync_before)
    if report.kept:
        fixed = [name for name, value in tuned.state_dict().items() if torch.equal(value, kept[name])]
        assert any(name.startswith("audio_encoder") for name in fixed) and len(fixed) < len(kept)


def test_the_same_footage_gives_the_same_weights(actor):
    model, expert, footage = actor
    one, first = adapt(model, expert, [footage], steps=2)
    two, second = adapt(model, expert, [footage], steps=2)
    assert (first.mouth_l1_after, first.sync_after) == (second.mouth_l1_after, second.sync_after)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_what_does_not_help_is_refused(actor):
    model, expert, footage = actor
    same, report = adapt(model, expert, [footage], steps=0)
    assert same is model and not report.kept and "did not come closer" in report.reason


def test_two_stretches_hold_back_a_quarter_of_each_and_no_window_crosses(actor):
    _, _, footage = actor
    halves = [Footage(footage.crops[:80], footage.mel), Footage(footage.crops[:40], footage.mel)]
    both = _Actor.of(halves, "cpu")
    assert both.held.tolist() == [*range(65, 80), *range(115, 120)]
    assert both.firsts.max() + 5 <= 110 and not set(range(56, 81)) & set(both.firsts.tolist())
    with pytest.raises(InputError, match="20 frames in 1 stretches are too few"):
        adapt(*actor[:2], [Footage(footage.crops[:20], footage.mel)])


def test_footage_that_is_out_of_step_is_refused(actor):
    model, expert, footage = actor
    same, report = adapt(model, expert, [moved(footage, 7)], steps=1)
    assert same is model and not report.kept and "not in step" in report.reason and report.steps == 0
    assert abs(_Actor.of([footage], "cpu").offset(expert)) <= 1
