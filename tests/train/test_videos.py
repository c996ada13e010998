"""Unindexed videos: who speaks in step stays, identities and splits come from where a video lies, and it resumes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from dubkit.errors import InputError, MediaError
from dubkit.lips.crops import cut
from dubkit.settings import FacesSettings
from dubkit.train import videos
from dubkit.train.crops import CROP, RIM, STORED
from dubkit.train.data import TalkingFaces
from dubkit.train.prepare import split_of, verify
from tests.lips.test_adapt import Sharp
from tests.train.tiny import made_up_face


def clip(late: int = 0, seconds: int = 2):
    faces, audio = made_up_face(np.random.default_rng(8), seconds)
    return videos.Clip(np.roll(faces, late, axis=0), audio.astype(np.float32) / 32768)


def test_out_of_step_is_seen():
    assert videos.in_step(Sharp(), clip())
    assert not videos.in_step(Sharp(), clip(late=6))


def test_the_rim_goes_around_the_engine_s_crop():
    picture = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    crop = np.array([[[0.9, 0.1, 40.25], [-0.1, 0.9, 50.5]]], np.float32)
    stored = cut(picture, videos.with_rim(crop)[0], STORED)
    assert np.abs(stored[RIM:-RIM, RIM:-RIM].astype(int) - cut(picture, crop[0], CROP)).max() <= 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two people's folders; what would be cut out of each video is made up."""
    for name in ("ann/one.mp4", "ann/two.mp4", "bob/one.mp4", "bob/broken.mov", "bob/notes.txt"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    asked = []

    def clips(video, settings):
        asked.append(video.name)
        if video.name == "broken.mov":
            raise MediaError("broken.mov is no film")
        yield clip()
        yield clip(late=6)
        yield clip(seconds=3)

    monkeypatch.setattr(videos, "speaking_clips", clips)
    return tmp_path, asked


def test_shards_from_a_folder(folder, monkeypatch):
    monkeypatch.setattr(videos, "SHARD", 60)
    root, asked = folder
    told = []
    made = videos.prepare_videos(
        root / "videos", root / "shards", Sharp(), FacesSettings(), licence="mine", report=told.append
    )
    verify(root / "shards")
    listing = json.loads(made.read_text())
    assert {entry["identity"]: entry["split"] for entry in listing["shards"]} == {f"videos/{who}": split_of(f"videos/{who}") for who in ("ann", "bob")}  # fmt: skip
    assert [entry["clips"] for entry in listing["shards"]] == [[[0, 50], [50, 125]]] * 3 and listing[
        "licence"
    ] == "mine"
    assert told[0] == "one.mp4: 2 clips, 1 left out as out of step" and "broken.mov: left out" in " ".join(told)
    assert json.loads((root / "shards" / "bob_broken.json").read_text())["left_out"] == "broken.mov is no film"
    before, count = made.read_bytes(), len(asked)
    videos.prepare_videos(root / "videos", root / "shards", Sharp(), FacesSettings(), licence="mine")
    assert len(asked) == count and made.read_bytes() == before  # nothing is done twice
    split = listing["shards"][0]["split"]
    assert TalkingFaces(root / "shards", split).faces[0].shape == (125, STORED, STORED, 3)


def test_a_folder_without_videos_is_named(tmp_path):
    with pytest.raises(InputError, match="no video below"):
        videos.prepare_videos(tmp_path, tmp_path / "shards", Sharp(), FacesSettings())


@pytest.mark.slow
def test_real_clips(shared, tmp_path):
    from dubkit.lips.models.loading import load_expert

    (tmp_path / "videos").mkdir()
    for name in ("grid_xa.mp4", "grid_xd.mp4"):
        shutil.copy(shared / "data" / name, tmp_path / "videos")
    found = {}
    for path in sorted((tmp_path / "videos").iterdir()):
        found[path.name] = list(videos.speaking_clips(path, FacesSettings()))
    assert all(len(clips) == 1 and clips[0].faces.shape == (75, STORED, STORED, 3) for clips in found.values())
    assert all(videos.in_step(load_expert(), clips[0]) for clips in found.values())
    late = videos.Clip(found["grid_xa.mp4"][0].faces[8:], found["grid_xa.mp4"][0].audio[: -8 * 640])
    assert not videos.in_step(load_expert(), late)
