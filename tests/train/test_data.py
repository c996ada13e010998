"""Shards packed and in a device's memory give the draws that unpacked ones on the host give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dubkit.errors import InputError, SettingsError
from dubkit.evaluate.mfcc import mfcc
from dubkit.train import packed
from dubkit.train.batches import expert_batch, generator_batch
from dubkit.train.data import Move, Stretch, TalkingFaces
from dubkit.train.expert import ExpertSettings
from dubkit.train.resident import ResidentFaces, talking_faces
from dubkit.train.runs import Compute
from tests.train.tiny import made_up_shards

SHARES = {"made-up": 1.0}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    torch.set_num_threads(1)
    return made_up_shards(tmp_path_factory.mktemp("shards"))


def test_resident_crops_are_the_host_s(shards):
    host = TalkingFaces(shards, "train")
    there = talking_faces(shards, "train", Compute(resident=True))
    assert isinstance(there, ResidentFaces)
    clips = host.clips[0], host.clips[-1]
    plain = [Stretch(clip, np.arange(clip.start, clip.start + 3)) for clip in clips]
    assert torch.equal(there.pictures(plain), host.pictures(plain))
    moved = [Stretch(clips[0], np.arange(4), Move(2.5, -1.25, 1.05, True, 1.1, -7, 0.25)),
             Stretch(clips[1], np.arange(clips[1].start, clips[1].start + 2), Move(-3, 2, 0.95))]  # fmt: skip
    apart = (there.pictures(moved).int() - host.pictures(moved).int()).abs()
    assert apart.max() <= 3 and apart.float().mean() < 0.4
    for heard in ("frame_voices", "stack_voices"):
        assert torch.allclose(getattr(there, heard)(moved), getattr(host, heard)(moved), atol=1e-6)


def test_both_make_the_same_batches(shards):
    host, there = TalkingFaces(shards, "train"), talking_faces(shards, "train", Compute(resident=True))
    one, two = (generator_batch(data, np.random.default_rng(5), 3, 5, SHARES, 4) for data in (host, there))
    assert (one.real - two.real).abs().mean() < 0.002 and torch.allclose(one.voices, two.voices, atol=1e-6)
    assert [t.shape for t in vars_of(one)] == [t.shape for t in vars_of(two)]
    settings = ExpertSettings(clips=2, windows=4, shares=SHARES)
    (mel, mouths), (mel2, mouths2) = (expert_batch(data, np.random.default_rng(5), settings) for data in (host, there))
    assert torch.allclose(mel, mel2, atol=1e-6) and mouths.shape == mouths2.shape == (8, 15, 48, 96)


def vars_of(batch):
    return batch.mel, batch.shown, batch.real, batch.voices


def test_packed_shards_are_small_and_nearly_the_same(shards, tmp_path):
    told = []
    packed.pack(shards, tmp_path, crf=12, report=told.append)
    assert len(told) == 3
    packed.pack(shards, tmp_path, report=told.append)  # what is there is kept
    assert len(told) == 3
    plain, carried = TalkingFaces(shards, "val"), TalkingFaces(tmp_path, "val")
    assert carried.clips == plain.clips and carried.faces[0].shape == plain.faces[0].shape
    assert np.abs(carried.faces[0].astype(int) - plain.faces[0]).mean() < 4
    assert np.abs(carried.mels[0] - plain.mels[0]).max() <= 8 / 255 / 2 + 1e-4
    assert np.abs(packed.read_mfcc(tmp_path, carried.names[0]) - mfcc(plain.audio(0))).max() < 0.1
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < sum(path.stat().st_size for path in shards.iterdir()) / 10
    with pytest.raises(InputError, match="not the sound itself"):
        carried.audio(0)


def test_a_set_that_is_not_there_is_named(shards):
    data = TalkingFaces(shards, "train", pictures=False)
    assert data.natural_shares().keys() == {"made-up"} and not data.faces
    with pytest.raises(InputError, match="no clip of set 'grid' .* its sets are made-up"):
        data.draw_clips(np.random.default_rng(0), 1, 5, {"grid": 1.0})


def test_what_compute_cannot_be():
    for wrong in ({"precision": "fp8"}, {"accumulate": 0}, {"device": "cuda:99"}):
        if torch.cuda.is_available() and "device" in wrong:
            continue
        with pytest.raises(SettingsError):
            Compute(**wrong)
    assert Compute().changes() == {} and Compute(accumulate=2, precision="bf16").changes() == {"accumulate": 2, "precision": "bf16"}  # fmt: skip
