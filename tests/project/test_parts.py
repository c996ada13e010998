"""A stage can be made in parts: what a part leaves behind, the stage finds done, and the result is the same."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from dubkit.errors import StorageError
from dubkit.faces.track import track_faces
from dubkit.project import following, pipeline
from dubkit.project.stages import Stage
from dubkit.types import FaceTrack, FrameRange, Shot
from tests.faces.test_track import SETTINGS, moving
from tests.fakes.pictures import KnownFaces, MemoryFilm, noise
from tests.project.test_pipeline import ran, run  # noqa: F401  (fixture)

SHOTS = tuple(Shot(i, FrameRange(20 * i, 20 * i + 20), "cut") for i in range(3))


def track(shot):
    frames = np.arange(shot.frames.start, shot.frames.stop)
    boxes = np.tile(np.float32([1, 2, 3, 4]), (20, 1))
    return FaceTrack(f"s{shot.index:04}f00", shot.index, frames, boxes, np.ones(20, np.float32), np.ones(20, bool))


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A faces stage whose tracker is a fake: it writes down which shots it followed, and dies in shot ``dies``."""
    told = SimpleNamespace(followed=[], dies=None)

    def follow(reader, shots, settings, progress, done):
        for shot in shots:
            if shot.index == told.dies:
                raise KeyboardInterrupt
            told.followed.append(shot.index)
            done(shot, [track(shot)])

    @contextmanager
    def reader(media):
        yield None

    monkeypatch.setattr("dubkit.faces.track.track_faces", follow)
    monkeypatch.setattr("dubkit.media.reader.FrameReader", reader)
    settings = SimpleNamespace(faces=SETTINGS)
    return SimpleNamespace(folder=tmp_path, media=lambda: SimpleNamespace(digest="d"), shots=lambda: SHOTS,
                           settings=settings, progress=print, told=told)  # fmt: skip


def test_faces_in_parts_are_the_faces_of_the_film(work):
    following.follow_shots(work, FrameRange(0, 25))
    following.follow_shots(work, FrameRange(25, 60))
    assert work.told.followed == [0, 1, 2]
    assert [t.id for t in following.all_tracks(work)] == ["s0000f00", "s0001f00", "s0002f00"]
    assert work.told.followed == [0, 1, 2], "nothing twice"


def test_a_killed_run_loses_only_its_shot(work):
    work.told.dies = 2
    with pytest.raises(KeyboardInterrupt):
        following.all_tracks(work)
    work.told.dies = None
    assert len(following.all_tracks(work)) == 3
    assert work.told.followed == [0, 1, 2]


def test_other_settings_follow_again_and_old_files_go(work):
    following.all_tracks(work)
    work.settings.faces = SETTINGS.model_copy(update={"detect_every": 7})
    following.all_tracks(work)
    assert work.told.followed == [0, 1, 2, 0, 1, 2]
    assert len(list((work.folder / "shots").iterdir())) == 3


def test_a_shot_followed_alone_has_the_same_tracks(monkeypatch):
    class Seeing(KnownFaces):
        """Sees the square wherever it is, so that the answer does not depend on which frame is asked first."""

        def detect(self, picture):
            row, column = np.argwhere(np.abs(picture.astype(int) - background).sum(2) > 30).min(0)
            self.where = [[((column, row, column + 60, row + 60), 0.9)]]
            self.calls = 0
            return super().detect(picture)

    background = (noise(360, 640) // 3).astype(int)
    pictures, _ = moving([lambda i: (50 + 6 * i, 100)], frames=60)
    monkeypatch.setattr("dubkit.faces.track.create_detector", lambda settings: Seeing([[]]))
    whole = track_faces(MemoryFilm(pictures), SHOTS, SETTINGS)
    alone = [found for shot in SHOTS for found in track_faces(MemoryFilm(pictures), [shot], SETTINGS)]
    assert len(whole) == len(alone) == 3
    for a, b in zip(whole, alone, strict=True):
        assert (a.id, a.range) == (b.id, b.range)
        np.testing.assert_array_equal(a.boxes, b.boxes)


def test_the_pipeline_runs_a_part_until_the_stage_is_done(ran, monkeypatch):  # noqa: F811
    folder, log = ran

    def some(work, frames):
        log.append(("a part", frames.start))
        (work.folder / f"{frames.start}.txt").write_text("x")

    def everything(work):
        log.append(("a", None))
        return sorted(work.folder.glob("*.txt"))

    stages = (Stage("a", "", everything, part=some), *pipeline.STAGES[1:])
    monkeypatch.setattr(pipeline, "STAGES", stages)
    file = pipeline.load(folder / "film.dub.toml")
    pipe = pipeline.Pipeline(file, pipeline.merged(file)[0])
    pipe.part("a", None, FrameRange(0, 10))
    pipe.part("a", None, FrameRange(10, 20))
    pipe.bring("a")
    pipe.bring("a")
    pipe.part("a", None, FrameRange(0, 10))
    assert log == [("a part", 0), ("a part", 10), ("a", None)], "a stage that is done has no parts left"


def test_a_stage_is_held_by_one_run_at_a_time(ran):  # noqa: F811
    folder, _ = ran
    file = pipeline.load(folder / "film.dub.toml")
    one, two = (pipeline.Pipeline(file, pipeline.merged(file)[0]) for _ in range(2))
    one.bring("a")
    with one.store.lock(None, 0, "a"):
        with pytest.raises(StorageError, match="another dubkit run"):
            two.bring("a")
        two.bring("b")
