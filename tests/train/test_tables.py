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
    shown = references(data, face, 10, "apart")
    other = data.clips[1]
    assert np.array_equal(shown, data.crops(other, other.start + np.arange(10)))
    data.clips = [face]  # nobody has another: the far end of the same clip
    assert np.array_equal(references(data, face, 10, "apart"), data.crops(face, np.full(10, face.stop - 1)))


@pytest.mark.parametrize("alone", [False, True])
def test_references_are_laid_as_the_engine_lays_them_and_never_give_the_answer_away(shards, monkeypatch, alone):
    data, offered = TalkingFaces(shards, "val"), []
    face = data.clips[0]
    if alone:
        data.clips = [face]
    monkeypatch.setattr("dubkit.train.strips.laid_over", lambda other, frame: offered.append(other) or (255 - other if len(offered) % 2 else None))  # fmt: skip
    frames = face.stop - face.start - 6
    shown = references(data, face, frames)
    assert len(offered) == len(shown) == frames
    assert np.array_equal(shown[0], 255 - offered[0]) and np.array_equal(shown[1], offered[1])  # laid; as it is
    at = face.start + 1 + np.arange(frames)
    answers = {picture.tobytes() for picture in data.crops(face, at)}
    if alone:
        mine = [picture.tobytes() for picture in data.crops(face, np.arange(face.start, face.stop))]
        assert all(abs(mine.index(other.tobytes()) - 1 - i) > 5 for i, other in enumerate(offered))
    else:
        assert not answers & {other.tobytes() for other in offered}


def test_speech2vid_sees_one_still(shards):
    data, seen = TalkingFaces(shards, "val"), []
    model = Speech2Vid(2)
    model.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    made, real = speak(model, data, data.clips[0], data.clips[1], 6)
    assert made.shape == real.shape == (6, 96, 96, 3)
    assert torch.equal(seen[0], seen[0][:1].expand(6, -1, -1, -1))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder, paths = tmp_path_factory.mktemp("weights"), {}
    for name, kind, model in (
        ("lips", "wav2lip", Wav2Lip(TINY)),
        ("expert", "small-expert", SmallExpert()),
        ("s2v", "speech2vid", Speech2Vid(2)),
    ):
        paths[name] = folder / f"{name}.safetensors"
        save_weights(model, kind, paths[name], {})
    return paths


def test_all_tables(shards, weights, monkeypatch):
    monkeypatch.setattr(measure, "frechet_efficientnet_to", lambda real: lambda made: 0.5)
    monkeypatch.setattr(measure, "fid_to", lambda real, weights: lambda made: float(len(list(made)) - len(list(real))))
    models = {"dubkit": weights["lips"], "Speech2Vid": weights["s2v"]}
    found = all_tables(shards, models, weights["expert"], pairs=2, clips=1, inception=Path("package"))
    assert list(found["sync"]) == [
        "the same faces under their own voice", "untouched source under that voice", "the same net, untrained", "dubkit",
        "Speech2Vid", "dubkit, made with the voice 10 frames late", "Speech2Vid, made with the voice 10 frames late",
    ]  # fmt: skip
    pictures = {name: groups["made-up"] for name, groups in found["pictures"].items()}
    assert list(pictures) == ["reference shown as it is", "the same net, untrained", "dubkit", "Speech2Vid"]
    assert all(0 < numbers["mouth_l1"] < 1 and numbers["frames"] == 44 for numbers in pictures.values())
    assert 0 <= found["expert"]["made-up"]["accuracy"] <= 1
    assert list(found["fid"]) == list(found["sync"])[1:5] and found["fid"]["dubkit"]["pictures"] > 0
    text = as_markdown(found)
    assert text.count("| --- |") >= 6 and "laid over the frame" in text and "whatever its pose" in text
    assert found["apart"].keys() == found["pictures"].keys()
    assert "not the public SyncNet" in text and "not FID" in text
    assert "| AV offset | cosine in place | FID ↓ | mouth L1, made-up ↓ | mouth L1, made-up (next clip) ↓ |" in text
    row = next(line for line in text.splitlines() if line.startswith("| untouched source"))
    nothing = [found[kind]["reference shown as it is"]["made-up"]["mouth_l1"] for kind in ("pictures", "apart")]
    assert row.endswith("| {:.4f} | {:.4f} |".format(*nothing))  # doing nothing costs this


def test_the_distance_is_from_real_pictures_that_were_not_touched(shards, monkeypatch):
    """Moments of the drawn faces are not in the pile of real pictures; so the untouched film is not 0 by definition."""
    seen = {}
    monkeypatch.setattr(
        measure, "fid_to", lambda real, weights: seen.update(real=real) or (lambda made: len(list(made)))
    )
    data = TalkingFaces(shards, "val")
    drawn = measure.mismatched(data, 2)
    found = measure.fid_table({"film": measure.untouched(data)}, data, drawn, Path("package"), pictures=30)
    assert found == {"film": {"fid": 30, "pictures": 30}} and len(seen["real"]) == 30
    shown = {
        picture.tobytes() for face, _, _ in drawn for picture in data.crops(face, np.arange(face.start, face.stop))
    }
    assert not shown & {np.ascontiguousarray(picture[..., ::-1]).tobytes() for picture in seen["real"]}


def test_tables_that_are_there_are_kept(shards, weights, tmp_path, monkeypatch):
    """A killed run goes on with the next table; tables of other weights are not mixed."""
    words = {"expert": weights["expert"], "pairs": 2, "clips": 1, "shifted": 0, "output": tmp_path / "tables.json"}
    first = all_tables(shards, {"dubkit": weights["lips"]}, only=["expert"], **words)
    made = []
    monkeypatch.setattr("dubkit.train.tables.expert_table", lambda *_: made.append("expert"))
    monkeypatch.setattr("dubkit.train.tables.picture_table", lambda *_: made.append("pictures") or {})
    both = all_tables(shards, {"dubkit": weights["lips"]}, only=["expert", "pictures"], **words)
    assert made == ["pictures"] and both["expert"] == first["expert"]
    with pytest.raises(InputError, match=r"tables of another run \(weights differ\)"):
        all_tables(shards, {"other": weights["s2v"]}, **words)


def test_one_table_alone(shards):
    found = all_tables(shards, {}, only=["expert"])
    assert "expert" in found and not {"sync", "pictures", "fid"} & set(found) and "0.91" in as_markdown(found)
    with pytest.raises(InputError, match="no table 'fd'; choose among expert, sync"):
        all_tables(shards, {}, only=["fd"])


def test_footage_of_a_person(shards):
    parts = footage_of(shards, "person3", 3.0)
    assert [len(part.crops) for part in parts] == [50, 25] and parts[0].mel.shape == (80, 160)
    with pytest.raises(InputError, match="no 'nobody'"):
        footage_of(shards, "nobody", 3.0)
