"""Digests change when content does, and not otherwise."""

from fractions import Fraction

import numpy as np

from dubkit.digest import file_digest, value_digest
from dubkit.types import Segment


def test_file_digest_sees_content_and_size(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    a.write_bytes(b"x" * 1000)
    b.write_bytes(b"x" * 1000)
    c.write_bytes(b"x" * 1001)
    assert file_digest(a) == file_digest(b) != file_digest(c)


def test_large_file_is_sampled_at_both_ends(tmp_path):
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(80 << 20)
    before = file_digest(path)
    with path.open("r+b") as file:
        file.seek((80 << 20) - 1)
        file.write(b"x")
    assert file_digest(path) != before
    assert file_digest(path, whole=True) != file_digest(path)


def test_value_digest_takes_nouns():
    assert value_digest([Segment(0, 1), Fraction(1, 3)]) == value_digest([Segment(0, 1), Fraction(1, 3)])
    assert value_digest({"a": np.arange(3)}) != value_digest({"a": np.arange(4)})
    assert value_digest({"a": 1, "b": 2}) == value_digest({"b": 2, "a": 1})
