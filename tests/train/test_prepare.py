"""From an indexed folder of videos to shards, twice, and what is refused."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.train.crops import RIM, STORED, cut, inner, smooth_boxes
from dubkit.train.data import TalkingFaces
from dubkit.train.prepare import prepare, read_index, split_of, verify

COLUMNS = ["file", "start", "stop", "set", "identity", "split"]


def write_index(folder, rows):
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def fixed_box(picture):
    return np.array([50.0, 40.0, 110.0, 120.0])


def test_shards_from_real_clips(shared, tmp_path):
    source, folder = tmp_path / "videos", tmp_path / "shards"
    source.mkdir()
    for name in ("grid_xa.mp4", "grid_xd.mp4"):
        shutil.copy(shared / "data" / name, source)
    write_index(source, [["grid_xa.mp4", 0, 75, "grid", "a", "train"], ["grid_xd.mp4", 0, 75, "grid", "d", "val"],
                         ["grid_xd.mp4", 75, 900, "grid", "d", "val"]])  # fmt: skip
    told = []
    prepare(source, folder, fixed_box, report=told.append)
    assert told == ["grid_xa.mp4: 1 of 1 clips", "grid_xd.mp4: 1 of 2 clips"]
    verify(folder)
    data = TalkingFaces(folder, "val")
    assert [c.identity for c in data.clips] == ["d"] and data.faces[0].shape[1:] == (STORED, STORED, 3)
    assert abs(data.mels[0].shape[1] - 240) < 8  # 3 s at 80 steps a second
    before = (folder / "shards.json").read_bytes()
    prepare(source, folder, None, report=told.append)  # nothing left to do
    assert (folder / "shards.json").read_bytes() == before and len(told) == 2
    np.save(folder / "grid_xa.audio.npy", np.zeros(9, np.int16))
    with pytest.raises(InputError, match="grid_xa"):
        verify(folder)


def test_a_person_in_two_splits_is_refused(tmp_path):
    write_index(tmp_path, [["a.mp4", 0, 9, "s", "ann", "train"], ["b.mp4", 0, 9, "s", "ann", "val"]])
    with pytest.raises(InputError, match="'ann' into two splits"):
        list(read_index(tmp_path))
    (tmp_path / "index.csv").write_text("file,start\n")
    with pytest.raises(InputError, match="lacks the column identity"):
        list(read_index(tmp_path))


def test_splits_are_by_name_and_for_ever():
    assert split_of("anna") == split_of("anna")
    share = np.mean([split_of(f"person {n}") == "val" for n in range(2000)])
    assert 0.07 < share < 0.13


def test_a_crop_holds_the_box_and_its_rim():
    picture = np.zeros((160, 160, 3), np.uint8)
    picture[40:125, 50:110] = 255  # the box, with 6 % of its height (4.8) below the chin
    stored = cut(picture, np.array([50.0, 40.0, 110.0, 120.0]))
    face = inner(stored[None])[0]
    assert face[1:-1, 1:-1].min() > 200 and stored[: RIM - 2].max() == 0 and stored[:, : RIM - 2].max() == 0


def test_boxes_are_smoothed_and_filled():
    boxes = np.full((20, 4), np.nan)
    boxes[[0, 10, 19]] = [[0, 0, 10, 10], [10, 0, 20, 10], [19, 0, 29, 10]]
    smooth = smooth_boxes(boxes)
    assert np.isfinite(smooth).all() and abs(smooth[10, 0] - 10) < 0.6
    assert np.all(np.diff(smooth[:, 0]) > 0)
