"""Pieces of long work: kept as they are made, whole or not at all."""

import numpy as np
import pytest

from dubkit.pieces import NOTHING_KEPT, Pieces

DIGEST, OTHER = "ab" * 16, "cd" * 16


def never():
    raise AssertionError("it was made again")


def filled(path, count=5):
    pieces = Pieces(path, DIGEST)
    for i in range(count):
        pieces(f"array {i}", lambda i=i: np.full((2, i), i, np.float32))
        pieces(f"value {i}", lambda i=i: [i, {"text": f"ñ {i / 3}"}])
    pieces.close()
    return path


def test_pieces_come_back_as_they_were_and_are_not_made_again(tmp_path):
    pieces = Pieces(filled(tmp_path / "unfinished"), DIGEST)
    for i in range(5):
        array = pieces(f"array {i}", never)
        assert array.dtype == np.float32 and array.tolist() == np.full((2, i), i).tolist()
        assert pieces(f"value {i}", never) == [i, {"text": f"ñ {i / 3}"}]
    assert "array 9" not in pieces and pieces.get("array 9") is None


def test_a_later_piece_of_the_same_name_counts(tmp_path):
    for value in range(3):
        pieces = Pieces(tmp_path / "unfinished", DIGEST)
        pieces.keep("state", value)
        pieces.close()
    assert Pieces(tmp_path / "unfinished", DIGEST).get("state") == 2


def test_under_another_digest_nothing_is_found(tmp_path):
    path = filled(tmp_path / "unfinished")
    pieces = Pieces(path, OTHER)
    assert "array 1" not in pieces
    pieces.keep("new", 1)
    pieces.close()
    assert "new" not in Pieces(path, DIGEST)


@pytest.mark.parametrize("lost", [1, 7, 20, 40, 60])
def test_a_file_that_ends_in_the_middle_of_a_piece_loses_that_piece_alone(tmp_path, lost):
    path = filled(tmp_path / "unfinished")
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    pieces = Pieces(path, DIGEST)
    assert pieces.get("array 3") is not None and "value 4" not in pieces
    if "array 4" not in pieces:
        pieces.keep("array 4", np.full((2, 4), 4, np.float32))
    pieces.keep("value 4", [4, {"text": f"ñ {4 / 3}"}])
    pieces.close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\xff" * 100, b"x"])
def test_what_a_lost_machine_left_behind_the_last_piece_is_cut_off(tmp_path, junk):
    path = filled(tmp_path / "unfinished")
    whole = path.read_bytes()
    path.write_bytes(whole + junk)
    Pieces(path, DIGEST).close()
    assert path.read_bytes() == whole


def test_finished_work_leaves_no_file_and_none_is_made_before_the_first_piece(tmp_path):
    pieces = Pieces(tmp_path / "unfinished", DIGEST)
    assert not (tmp_path / "unfinished").exists()
    pieces.keep("a", 1)
    pieces.discard()
    assert not any(tmp_path.iterdir()) and "a" not in pieces


def test_without_a_path_every_piece_is_made():
    assert NOTHING_KEPT("a", lambda: 1) == 1 and NOTHING_KEPT("a", lambda: 2) == 2 and NOTHING_KEPT.get("a") is None
