"""A result on disk: the same bytes every time, read back whole, refused by name when it is something else."""

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.lips.result import LipResult


def result(**changes):
    rng = np.random.default_rng(0)
    values = dict(job_id="a", frames=np.arange(5, 8), crops=rng.integers(0, 255, (3, 96, 96, 3)).astype(np.uint8),
                  transforms=rng.random((3, 2, 3), np.float32), alpha=np.array([0, 0.5, 1], np.float32),
                  masks=rng.random((3, 6), np.float32), notes=("n",), stats={"engine": "x", "b": 1})  # fmt: skip
    return LipResult(**{**values, **changes})


def test_saved_and_loaded_is_the_same(tmp_path):
    result().save(tmp_path / "a.npz")
    again = LipResult.load(tmp_path / "a.npz")
    for name in ("frames", "crops", "transforms", "alpha", "masks"):
        assert np.array_equal(getattr(again, name), getattr(result(), name))
        assert getattr(again, name).dtype == getattr(result(), name).dtype
    assert (again.job_id, again.notes, again.stats, again.detail) == ("a", ("n",), {"engine": "x", "b": 1}, True)
    assert again.changed.tolist() == [6, 7]


def test_the_same_result_is_the_same_bytes_whatever_the_clock_says(tmp_path):
    assert result(seconds=1.0).to_bytes() == result(seconds=2.0).to_bytes()
    assert result(notes=()).to_bytes() != result().to_bytes()


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="alpha must have shape"):
        result(alpha=np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="consecutive"):
        result(frames=np.array([1, 3, 4]))


def test_another_file_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="delete it and run again"):
        LipResult.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="is not a result"):
        LipResult.load(tmp_path / "b.npz")
    data = result().to_bytes()
    (tmp_path / "c.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError):
        LipResult.load(tmp_path / "c.npz")
