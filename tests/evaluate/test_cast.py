"""The measures of a cast, worked out by hand."""

import json

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.evaluate.cast import load_truth, score_cast, score_shots, score_tracks, truth_tracks
from dubkit.types import Assignment, FaceTrack, FrameRange, Shot

LEFT, RIGHT = [0, 0, 320, 360], [320, 0, 640, 360]
SHOTS = (Shot(0, FrameRange(0, 50)), Shot(1, FrameRange(50, 100)))


def track(name, shot, start, stop, x):
    n = stop - start
    boxes = np.tile(np.array([[x, 100, x + 60, 180]], np.float32), (n, 1))
    return FaceTrack(name, shot, np.arange(start, stop), boxes, np.ones(n, np.float32), np.ones(n, bool))


TRACKS = (track("a", 0, 0, 50, 100), track("b", 0, 0, 49, 400), track("c", 1, 50, 100, 100))


def truth(*turns):
    rows = [{"speaker": s, "start": start, "end": end, "region": region} for s, start, end, region in turns]
    return {"rate": "25/1", "shots": [{"frames": [0, 50]}, {"frames": [50, 100]}], "turns": rows}


def given(turn, shot, start, stop, track_id=None, state=None, margin=4.0):
    return Assignment(
        turn,
        shot,
        FrameRange(start, stop),
        track_id,
        margin,
        margin,
        state or ("on-screen" if track_id else "off-screen"),
    )


def score(turns, assignments):
    return score_cast(truth(*turns), SHOTS, (), TRACKS, assignments)


def test_all_right():
    found = score([("x", 0, 1, LEFT), ("y", 2, 3, None)], [given("t0", 0, 0, 25, "a"), given("t1", 1, 50, 75)])
    assert (found["turns_right"], found["turn_accuracy"], found["time_accuracy"]) == (2, 1.0, 1.0)
    assert found["off_screen_precision"] == found["off_screen_recall"] == 1.0
    assert found["least_coverage"] == 1.0 and found["shots_exact"] == 1


def test_the_wrong_face_with_a_large_margin_is_told_apart_from_one_with_a_small():
    for margin, serious in ((4.0, 1), (2.0, 0)):
        found = score([("x", 0, 1, LEFT)], [given("t0", 0, 0, 25, "b", margin=margin)])
        assert found["turns"][0]["verdict"] == "wrong"
        assert found["turns_wrong_with_large_margin"] == serious and found["turns_right"] == 0


def test_a_face_for_a_line_off_screen_is_wrong_and_off_screen_for_a_face_is_missed():
    found = score([("x", 0, 1, None), ("y", 1, 2, LEFT)], [given("t0", 0, 0, 25, "a"), given("t1", 0, 25, 50)])
    assert [row["verdict"] for row in found["turns"]] == ["wrong", "missed"]
    assert found["off_screen_precision"] == 0.0 and found["off_screen_recall"] == 0.0


def test_undecided_is_neither_right_nor_wrong():
    found = score([("x", 0, 1, LEFT)], [given("t0", 0, 0, 25, state="undecided", margin=0.1)])
    assert found["turns_undecided"] == 1 and found["turns"][0]["verdict"] == "undecided"


def test_lines_are_compared_by_time_so_a_diarizer_may_cut_them_otherwise():
    turns = [("x", 0, 1, LEFT), ("y", 1, 2, RIGHT)]
    found = score(
        turns,
        [given("t0", 0, 0, 20, "a"), given("t0", 0, 20, 25, "a"), given("t1", 0, 25, 40, "b"), given("t2", 0, 40, 50)],
    )
    assert found["turns_right"] == 2 and found["time_accuracy"] == pytest.approx(0.8)
    assert found["off_screen_precision"] == 0.0


def test_overlapping_lines_are_each_right_with_two_faces():
    turns = [("x", 0, 2, LEFT), ("y", 0, 1.5, RIGHT)]
    assert score(turns, [given("t0", 0, 0, 50, "a"), given("t1", 0, 0, 40, "b")])["turns_right"] == 2


def test_coverage_is_that_of_the_best_single_track():
    found = score([("y", 0, 1, RIGHT)], [given("t0", 0, 0, 25, "b")])
    assert found["least_coverage"] == pytest.approx(0.98)


def test_shots_missed_and_invented():
    found = score_shots(
        [{"frames": [0, 10]}, {"frames": [10, 20]}], [Shot(0, FrameRange(0, 12)), Shot(1, FrameRange(12, 20))]
    )
    assert found == {"shots_exact": 0, "shots_missed": [10], "shots_invented": [12]}


def test_tracks_by_a_strangers_arithmetic():
    pytest.importorskip("motrics")
    real = [{"person": "x", "frames": [0, 50], "boxes": [[100, 100, 160, 180]] * 50}]
    perfect = score_tracks(real, TRACKS[:1])
    assert perfect["track_idf1"] == perfect["track_mota"] == perfect["track_hota"] == 1.0
    broken = score_tracks(real, [track("a", 0, 0, 25, 100), track("b", 0, 25, 50, 100)])
    assert broken["track_idf1"] == pytest.approx(0.5) and broken["track_num_switches"] == 1
    # Luiten et al. 2021, by hand: every box found, and each half of the person shares 25 of 50 frames with its track.
    assert broken["track_deta"] == 1.0 and broken["track_assa"] == pytest.approx(0.5)
    assert broken["track_hota"] == pytest.approx(0.5**0.5)
    # Boxes too high by a third overlap by one half: a hit at the overlaps 0.05 to 0.50, which are 10 of 19.
    shifted = score_tracks([real[0] | {"boxes": [[100, 100, 160, 140]] * 50}], TRACKS[:1])
    assert shifted["track_mota"] == 1.0 and shifted["track_hota"] == pytest.approx(10 / 19)
    missed = score_tracks(real, [track("a", 0, 0, 50, 300)])
    assert missed["track_recall"] == missed["track_hota"] == 0.0


def test_faces_of_every_frame_become_tracks_that_no_cut_joins():
    boxes = [{"x": [100, 100, 160, 180]} if i != 70 else {} for i in range(100)]
    boxes[3]["y"] = [400, 100, 460, 180]
    found = truth_tracks(truth() | {"boxes": boxes})
    assert [(t["person"], t["frames"], len(t["boxes"])) for t in found] == [
        ("x", [0, 50], 50), ("y", [3, 4], 1), ("x", [50, 70], 20), ("x", [71, 100], 29),
    ]  # fmt: skip
    assert truth_tracks(truth()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", json.dumps({"rate": "25"}), json.dumps({"rate": "0/0", "turns": [], "shots": []})]
)
def test_a_file_that_is_no_truth_is_refused(tmp_path, text):
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a truth file"):
        load_truth(path)
