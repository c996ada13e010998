"""A full or forbidden disk: named errors, no half files, the old file untouched."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dubkit.errors import ProcessError, StorageError
from dubkit.files import replacing, storage_errors
from dubkit.media.audio import write_audio
from dubkit.media.mux import mux
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.media.writer import FrameWriter
from dubkit.project.store import Store
from dubkit.settings import RenderSettings
from dubkit.types import StageRecord
from tests.media.recipes import make_film


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB, where this user may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can make a small disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("this machine does not allow mounting")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(path: Path, media, count: int = 200) -> None:
    noise = np.random.default_rng(0)
    with FrameReader(media) as reader, FrameWriter(path, media.video, RenderSettings(codec="ffv1")) as writer:
        first = next(iter(reader.read()))
        for _ in range(count):
            patch = noise.random((108, 192, 3), np.float32)
            writer.write(first.with_patch(0, 0, patch, np.ones((108, 192), np.float32)))


def test_a_full_disk(small_disk, tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=3))
    with pytest.raises(StorageError, match="disk is full"):
        fill(small_disk / "piece.nut", media)
    with pytest.raises(StorageError, match="disk is full"):
        write_audio(small_disk / "a.wav", np.zeros((2, 480_000), np.float32), 48_000)
    assert list(small_disk.iterdir()) == []
    fill(tmp_path / "piece.nut", media, 40)
    with pytest.raises(StorageError, match="disk is full"):
        long = replace(media, video=replace(media.video, num_frames=40))
        mux([tmp_path / "piece.nut"], long, [], small_disk / "out.mkv", RenderSettings(codec="ffv1"))
    assert list(small_disk.iterdir()) == []


def test_a_project_on_a_full_disk_is_held_and_says_what_cannot_be_written(small_disk):
    (small_disk / "rest").write_bytes(bytes(256 * 1024 - 1))
    store = Store(small_disk / "film.dubkit")
    with store.lock("es"), pytest.raises(StorageError, match="record.json: the disk is full"):
        store.finish(StageRecord("voice", "done", {}, {}, "1", {"a": "b" * 10_000}), "es")


def test_a_full_disk_as_ffmpeg_tells_it(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=3))
    path = tmp_path / "piece.nut"
    path.write_text("old")

    class Full:
        def write(self, data):
            raise ProcessError("ffmpeg", 228, "av_interleaved_write_frame(): No space left on device")

    with (
        FrameReader(media) as reader,
        pytest.raises(StorageError, match="disk is full; free some space"),
        FrameWriter(path, media.video, RenderSettings()) as writer,
    ):
        writer._pipe.kill()
        writer._pipe = Full()
        writer.write(next(iter(reader.read())))
    assert path.read_text() == "old" and {p.name for p in tmp_path.iterdir()} == {"film.mp4", "piece.nut"}


@pytest.mark.parametrize(
    "number, words", [(errno.ENOSPC, "full"), (errno.EROFS, "read-only"), (errno.EACCES, "no permission")]
)
def test_errors_of_the_disk_have_names(tmp_path, number, words):
    with pytest.raises(StorageError, match=words), replacing(tmp_path / "x") as part:
        raise OSError(number, os.strerror(number), str(part))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), storage_errors(tmp_path / "x"):
        raise FileNotFoundError(errno.ENOENT, "none", str(tmp_path / "x"))
    with pytest.raises(PermissionError), storage_errors(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "denied", "/another/place/file")
    with pytest.raises(ProcessError), storage_errors(tmp_path / "x"):
        raise ProcessError("ffmpeg", 1, "Unknown encoder")


@pytest.mark.skipif(sys.platform != "linux", reason="a read-only place that exists everywhere is known on Linux only")
def test_a_read_only_folder():
    with pytest.raises(StorageError, match="cannot write /proc"):
        write_audio(
            Path("/proc/self/fd/x.wav") if os.geteuid() else Path("/proc/x.wav"), np.zeros((1, 10), np.float32), 8_000
        )


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError, match="folder of that name|no permission"), replacing(tmp_path / "x") as part:
        part.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_is_not_there(tmp_path):
    write_audio(tmp_path / "no" / "x.wav", np.zeros((1, 10), np.float32), 8_000)
    assert (tmp_path / "no" / "x.wav").is_file()


def test_what_a_killed_run_left_is_removed(tmp_path):
    path = tmp_path / "x.txt"
    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        left = part.with_name(part.name.replace(str(os.getpid()), "1"))
        left.write_text("half")
        raise KeyboardInterrupt
    assert left.exists()
    with replacing(path) as part:
        part.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_replacing_is_all_or_nothing(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half")
        assert part.suffix == ".txt" and path.read_text() == "old"
        raise RuntimeError
    assert path.read_text() == "old"
    with replacing(path) as part:
        part.write_text("new")
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["x.txt"]
