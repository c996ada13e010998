"""Which frames get new lips, and when a finished job is still good."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from dubkit.lips.jobs import MAX_FRAMES, plan_jobs, speech_digest
from dubkit.settings import LipsSettings
from dubkit.types import Assignment, DubLine, FaceTrack, FrameRange, Segment, Shot, Turn

RATE = Fraction(25)
SETTINGS = LipsSettings(crossfade=4)
SHOTS = [Shot(0, FrameRange(0, 100)), Shot(1, FrameRange(100, 250)), Shot(2, FrameRange(250, 4000))]


def track(id, shot, start, stop):
    n = stop - start
    box = np.tile(np.array([10, 10, 60, 70], np.float32), (n, 1))
    return FaceTrack(id, shot, np.arange(start, stop), box, np.ones(n, np.float32), np.ones(n, bool))


TRACKS = {t.id: t for t in (track("a0", 0, 0, 100), track("a1", 1, 100, 250), track("b1", 1, 110, 240),
                            track("a2", 2, 250, 4000))}  # fmt: skip


def turn(id, start, end, speaker="ann"):
    return Turn(id, Segment(start, end), speaker)


def given_to(turn_id, shot, start, stop, track_id, state="on-screen"):
    return Assignment(turn_id, shot, FrameRange(start, stop), track_id, 5.0, 5.0, state)


def line(turn_id, start, end, speaker="ann"):
    return DubLine(f"d{turn_id}", turn_id, speaker, Segment(start, end))


def plan(assignments, lines, turns, settings=SETTINGS, **more):
    return plan_jobs(assignments, lines, turns, SHOTS, TRACKS, RATE, settings, **more)


def spans(jobs):
    return [(job.track_id, job.frames.start, job.frames.stop, job.fade) for job in jobs]


def test_turn_and_dub_together_with_fades_outside_the_speech():
    jobs = plan([given_to("t", 0, 25, 50, "a0")], [line("t", 1.2, 2.4)], [turn("t", 1, 2)])
    assert spans(jobs) == [("a0", 25 - 4, 60 + 4, (4, 4))]
    assert jobs[0].speaker == "ann" and jobs[0].turn_ids == ("t",)


def test_only_the_dub_where_lips_need_not_close():
    keep = SETTINGS.model_copy(update={"close_in_silence": False})
    jobs = plan([given_to("t", 0, 25, 50, "a0")], [line("t", 1.2, 2.4)], [turn("t", 1, 2)], keep)
    assert spans(jobs) == [("a0", 30 - 4, 60 + 4, (4, 4))]


def test_nothing_fades_at_a_cut_and_nothing_crosses_it():
    turns = [turn("t", 3.0, 6.0)]
    jobs = plan([given_to("t", 0, 75, 100, "a0"), given_to("t", 1, 100, 150, "a1")], [line("t", 3.0, 6.0)], turns)
    assert spans(jobs) == [("a0", 71, 100, (4, 0)), ("a1", 100, 154, (0, 4))]


def test_a_face_that_appears_within_a_shot_fades_in_inside():
    jobs = plan([given_to("t", 1, 100, 150, "b1")], [line("t", 4.0, 6.0)], [turn("t", 4.0, 6.0)])
    assert spans(jobs) == [("b1", 110, 154, (4, 4))]


def test_a_long_line_goes_on_over_the_cut_to_the_owners_face():
    turns = [turn("t", 3.0, 4.0), turn("u", 8.0, 9.0)]
    seen = [given_to("t", 0, 75, 100, "a0"), given_to("u", 1, 200, 225, "a1")]
    jobs = plan(seen, [line("t", 3.0, 5.0), line("u", 8.0, 9.0)], turns)
    assert ("a1", 100, 129, (0, 4)) in spans(jobs)


def test_off_screen_and_undecided_turns_change_nothing_even_with_the_owner_in_the_picture():
    turns = [turn("t", 4.0, 5.0), turn("u", 8.0, 9.0)]
    seen = [given_to("t", 1, 100, 125, None, "off-screen"), given_to("u", 1, 200, 225, "a1")]
    jobs = plan(seen, [line("t", 4.0, 5.0), line("u", 8.0, 9.0)], turns)
    assert spans(jobs) == [("a1", 196, 229, (4, 4))]
    assert plan(seen[:1], [line("t", 4.0, 5.0)], turns) == ()


def test_near_stretches_are_one_job_and_far_ones_are_two():
    turns = [turn("t", 1.0, 1.4), turn("u", 1.6, 2.0), turn("v", 3.0, 3.4)]
    seen = [given_to("t", 0, 25, 35, "a0"), given_to("u", 0, 40, 50, "a0"), given_to("v", 0, 75, 85, "a0")]
    jobs = plan(seen, [], turns)
    assert spans(jobs) == [("a0", 21, 54, (4, 4)), ("a0", 71, 89, (4, 4))]
    assert jobs[0].turn_ids == ("t", "u")


def test_two_faces_speak_at_once():
    turns = [turn("t", 5.0, 6.0), turn("u", 5.2, 6.2, "bob")]
    seen = [given_to("t", 1, 125, 150, "a1"), given_to("u", 1, 130, 155, "b1")]
    jobs = plan(seen, [line("t", 5.0, 6.0), line("u", 5.2, 6.2, "bob")], turns)
    assert [(job.track_id, job.speaker) for job in jobs] == [("a1", "ann"), ("b1", "bob")]


def test_one_face_under_two_names_is_handed_over_without_a_gap_or_overlap():
    turns = [turn("t", 1.0, 2.0), turn("u", 1.8, 2.8, "bob")]
    seen = [given_to("t", 0, 25, 50, "a0"), given_to("u", 0, 45, 70, "a0")]
    assert spans(plan(seen, [], turns)) == [("a0", 21, 50, (4, 0)), ("a0", 50, 74, (0, 4))]


def test_long_speech_is_split_into_pieces_that_overlap_by_a_fade():
    jobs = plan([given_to("t", 2, 300, 2500, "a2")], [], [turn("t", 12, 100)])
    assert len(jobs) > 3 and max(len(job.frames) for job in jobs) <= MAX_FRAMES
    assert jobs[0].frames.start == 296 and jobs[-1].frames.stop == 2504
    assert [job.fade for job in jobs] == [(4, 0)] * (len(jobs) - 1) + [(4, 4)]
    assert all(b.frames.start == a.frames.stop - 4 for a, b in pairwise(jobs))


def test_a_track_that_is_gone_has_no_job():
    assert plan([given_to("t", 0, 25, 50, "nobody")], [line("t", 1, 2)], [turn("t", 1, 2)]) == ()


@pytest.fixture
def one():
    return dict(assignments=[given_to("t", 0, 25, 50, "a0")], dub_lines=[line("t", 1, 2)], turns=[turn("t", 1, 2)],
                shots=SHOTS, tracks=TRACKS, rate=RATE, settings=SETTINGS, voice=lambda *_: "v",
                constants={"film": "f", "weights": "w"})  # fmt: skip


def test_the_same_inputs_are_the_same_job(one):
    assert plan_jobs(**one) == plan_jobs(**one)
    slower = one["settings"].model_copy(update={"device": "cuda", "batch_size": 3})
    assert plan_jobs(**{**one, "settings": slower})[0].id == plan_jobs(**one)[0].id


@pytest.mark.parametrize("what, value", [
    ("constants", {"film": "f", "weights": "other"}), ("constants", {"film": "other", "weights": "w"}),
    ("voice", lambda *_: "other"), ("rate", Fraction(24)),
    ("settings", SETTINGS.model_copy(update={"feather": 0.2})),
    ("settings", SETTINGS.model_copy(update={"precision": "bf16"})),
    ("dub_lines", [line("t", 1, 3)]),
])  # fmt: skip
def test_whatever_changes_pixels_changes_the_id(one, what, value):
    assert plan_jobs(**{**one, what: value})[0].id != plan_jobs(**one)[0].id


def test_a_moved_box_changes_the_id(one):
    old = TRACKS["a0"]
    moved = replace(old, boxes=old.boxes + np.float32(0.25))
    assert plan_jobs(**{**one, "tracks": {**TRACKS, "a0": moved}})[0].id != plan_jobs(**one)[0].id


def test_a_changed_line_makes_only_its_own_jobs_stale():
    sound = np.zeros(16000 * 8, np.float32)

    def voice(speaker, segment):
        return sound[round(segment.start * 16000) : round(segment.end * 16000)]

    turns = [turn("t", 1, 2), turn("u", 5, 6)]
    seen = [given_to("t", 0, 25, 50, "a0"), given_to("u", 1, 125, 150, "a1")]
    before = plan(seen, [], turns, voice=speech_digest(voice))
    sound[16000 * 5 + 100] = 0.1
    after = plan(seen, [], turns, voice=speech_digest(voice))
    assert [a.id == b.id for a, b in zip(before, after, strict=True)] == [True, False]
