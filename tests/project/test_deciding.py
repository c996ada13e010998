"""A person's decisions: written where a person can read them, replaced instead of doubled, and stronger than any re-run."""

from fractions import Fraction

import numpy as np
import pytest

from dubkit.cast.match import match
from dubkit.errors import InputError
from dubkit.project import deciding, schema
from dubkit.settings import CastSettings
from dubkit.types import FaceTrack, FrameRange, Segment, Shot, SpeakingScore, Turn

TEXT = """schema = "dubkit.project/1"
# my film
[source]
film = "film.mp4"  # the master
[target.es]
dialogue = "es.wav"

[[cast]]
name = "Ann"
voice = "kokoro/af"  # she likes this one
"""
TURNS = tuple(Turn(f"t{i}", Segment(2.0 * i, 2.0 * i + 1.9), f"v{i % 2}") for i in range(2))
SHOTS = (Shot(0, FrameRange(0, 50)), Shot(1, FrameRange(50, 100)))


def track(name, shot, x):
    ones = np.ones(50, np.float32)
    boxes = np.tile(np.array([[x, 100, x + 80, 200]], np.float32), (50, 1))
    return FaceTrack(name, shot, np.arange(50 * shot, 50 * shot + 50), boxes, ones, ones > 0)


def faces(suffix=""):
    return tuple(track(f"s{shot:04}f{i:02}{suffix}", shot, 100 + 300 * i) for shot in range(2) for i in range(2))


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "film.dub.toml"
    path.write_text(TEXT)
    return schema.load(path)


def answers(project, tracks):
    """The cast of a film in which the left face clearly speaks, whatever the run called its tracks."""
    scores = [SpeakingScore(t.id, t.frames, np.full(50, 0.2 if "f00" in t.id else -0.2, np.float32)) for t in tracks]
    result = match(TURNS, SHOTS, tracks, scores, Fraction(25), CastSettings(), project.locks())
    return [a.track_id or a.state for a in result.assignments], {c.name: c for c in result.characters}


def test_decisions_written_as_inline_tables_stay(project):
    inline = 'lock = [{turn = "t0", off_screen = true, note = "by phone"}, {speaker = "v1", character = "Bea"}]\n'
    text = project.path.read_text().replace("# my film\n", inline + 'name = "My film"\n')
    project.path.write_text(text.split("[[cast]]")[0] + '[output]\nfolder = "out"\n')
    project = deciding.decide_line(schema.load(project.path), "t1", "off", TURNS, faces())
    assert [(lock.turn, lock.speaker, lock.note) for lock in project.project.lock] == [
        ("t0", None, "by phone"), (None, "v1", ""), ("t1", None, ""),
    ]  # fmt: skip
    assert project.project.name == "My film" and project.project.output.folder == "out"


def test_a_voice_gets_a_name_and_moves_when_it_gets_another(project):
    project = deciding.name_voice(project, "v0", "Ann", TURNS)
    project = deciding.name_voice(project, "v0", "Bea", TURNS)
    assert {m.name: m.speakers for m in project.project.cast} == {"Ann": (), "Bea": ("v0",)}
    text = project.path.read_text()
    assert "# my film" in text and "# the master" in text and "# she likes this one" in text
    assert set(answers(project, faces())[1]) == {"Bea", "v1"}


def test_a_decided_line_survives_new_track_names_and_is_replaced_not_doubled(project):
    assert answers(project, faces())[0] == ["s0000f00", "s0001f00"]
    project = deciding.decide_line(project, "t0", "s0000f01", TURNS, faces())
    assert answers(project, faces())[0] == ["s0000f01", "s0001f00"]
    again = schema.load(project.path)  # the next run, in which the tracker called every face otherwise
    assert answers(again, faces("b"))[0] == ["s0000f01b", "s0001f00b"]
    project = deciding.decide_line(again, "t0", "off", TURNS, faces())
    assert len(project.project.lock) == 1 and answers(project, faces())[0][0] == "off-screen"
    project = deciding.forget_line(project, "t0")
    assert project.project.lock == () and answers(project, faces())[0][0] == "s0000f00"


def test_a_named_face_and_a_line_given_to_a_character(project):
    project = deciding.name_face(project, "s0000f01", "Ann", faces())
    project = deciding.name_face(project, "s0000f01", "Bea", faces())  # a change of mind
    assert [entry.character for entry in project.project.lock] == ["Bea"]
    project = deciding.decide_line(project, "t0", "Bea", TURNS, faces())
    found, characters = answers(project, faces("c"))
    assert found[0] == "s0000f01c" and "s0000f01c" in characters["Bea"].track_ids


@pytest.mark.parametrize(
    "decide, words",
    [
        (lambda p: deciding.name_voice(p, "v9", "Ann", TURNS), "no voice 'v9'"),
        (lambda p: deciding.name_face(p, "s0009f00", "Ann", faces()), "did you mean 's000"),
        (lambda p: deciding.decide_line(p, "t9", "off", TURNS, faces()), "no line 't9'"),
        (lambda p: deciding.decide_line(p, "t0", "Zoe", TURNS, faces()), "no face, character, or 'off' 'Zoe'"),
        (lambda p: deciding.forget_line(p, "t0"), "no line with a decision 't0'"),
    ],
)
def test_what_is_not_there_is_refused_and_the_file_stays(project, decide, words):
    with pytest.raises(InputError, match=words):
        decide(project)
    assert project.path.read_text() == TEXT
