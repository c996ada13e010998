"""The tables on made-up people: what is compared with what, references from another clip, and the Markdown of the docs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dubkit.errors import InputError
from dubkit.lips.models.loading import save_weights
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.speech2vid import Speech2Vid
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train import measure
from dubkit.train.data import TalkingFaces
from dubkit.train.strips import references, speak
from dubkit.train.tables import all_tables, as_markdown, footage_of
from tests.train.tiny import TINY, made_up_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    torch.set_num_threads(1)
    return made_up_shards(tmp_path_factory.mktemp("shards"), people=4, held_out=2)


def test_references_come_from_another_clip(shards):
    data = TalkingFaces(shards, "val")
    face = data.clips[0]
    shown = references(data, face, 10)
    other = data.clips[1]
    assert np.array_equal(shown, data.crops(other, other.start + np.arange(10)))
    data.clips = [face]  # nobody has another: the far end of the same clip
    assert np.array_equal(references(data, face, 10), data.crops(face, np.full(10, face.stop - 1)))


def test_speech2vid_sees_one_still(shards):
    data, seen = TalkingFaces(shards, "val"), []
    model = Speech2Vid(2)
    model.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    made, real = speak(model, data, data.clips[0], data.clips[1], 6)
    assert made.shape == real.shape == (6, 96, 96, 3)
    assert torch.equal(seen[0], seen[0][:1].expand(6, -1, -1, -1))


def test_all_tables(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "frechet_efficientnet_to", lambda real: lambda made: 0.5)
    monkeypatch.setattr(measure, "fid_to", lambda real, weights: lambda made: float(len(made) - len(real)))
    torch.manual_seed(0)
    paths = {}
    for name, kind, model in (
        ("lips", "wav2lip", Wav2Lip(TINY)),
        ("expert", "small-expert", SmallExpert()),
        ("s2v", "speech2vid", Speech2Vid(2)),
    ):
        paths[name] = tmp_path / f"{name}.safetensors"
        save_weights(model, kind, paths[name], {})
    found = all_tables(shards, {"dubkit": paths["lips"], "Speech2Vid": paths["s2v"]}, paths["expert"], pairs=2, clips=1,
                       inception=Path("package"))  # fmt: skip
    assert list(found["sync"]) == [
        "untouched source under that voice", "the same net, untrained", "dubkit", "Speech2Vid",
        "dubkit, made with the voice 10 frames late", "Speech2Vid, made with the voice 10 frames late",
    ]  # fmt: skip
    pictures = {name: groups["made-up"] for name, groups in found["pictures"].items()}
    assert list(pictures) == ["reference shown as it is", "the same net, untrained", "dubkit", "Speech2Vid"]
    assert all(0 < numbers["mouth_l1"] < 1 and numbers["frames"] == 44 for numbers in pictures.values())
    assert 0 <= found["expert"]["made-up"]["accuracy"] <= 1
    assert {row["fid"] for row in found["fid"].values()} == {0.0} and found["fid"]["dubkit"]["pictures"] > 0
    text = as_markdown(found)
    assert text.count("| --- |") >= 6 and "FID ↓" in text and "not the public SyncNet" in text and "not FID" in text


def test_one_table_alone(shards):
    found = all_tables(shards, {}, only=["expert"])
    assert set(found) == {"judge", "pairs", "expert"} and "0.91" in as_markdown(found)
    with pytest.raises(InputError, match="no table 'fd'; choose among expert, sync"):
        all_tables(shards, {}, only=["fd"])


def test_footage_of_a_person(shards):
    parts = footage_of(shards, "person3", 3.0)
    assert [len(part.crops) for part in parts] == [50, 25] and parts[0].mel.shape == (80, 160)
    with pytest.raises(InputError, match="no 'nobody'"):
        footage_of(shards, "nobody", 3.0)
