"""What the stages of one language prepare for their rooms."""

from types import SimpleNamespace

from dubkit.project import schema
from dubkit.project.dubbing import _joined, _lines_of_characters
from dubkit.project.reads import voices
from dubkit.types import Line, Segment, Turn


def line(turn, translation, part=""):
    return Line(turn + part, turn, Segment(0, 1), "S0", "text", translation=translation)


def test_a_line_that_a_person_gives_to_a_character_is_spoken_by_that_character(tmp_path):
    text = """schema = "dubkit.project/1"
    source.film = "film.mp4"
    target.es.subtitles = "es.srt"
    lock = [{turn = "t1", character = "Ana"}, {start = 2, end = 4, speaker = "S1", character = "Bea"},
            {speaker = "S0", character = "Carl"}, {turn = "t4", off_screen = true}]"""
    (tmp_path / "film.dub.toml").write_text(text)
    project = schema.load(tmp_path / "film.dub.toml")
    turns = [Turn(f"t{i}", Segment(i, i + 1), f"S{i % 2}") for i in range(5)]
    assert _lines_of_characters(SimpleNamespace(project=project), turns) == {"t1": "Ana", "t3": "Bea"}
    (tmp_path / "film.dub.toml").write_text(text.replace("Bea", "Dora"))
    assert voices(project, "es") != voices(schema.load(tmp_path / "film.dub.toml"), "es"), "the dub is stale then"


def test_turns_that_another_line_speaks_for():
    lines = [
        line("t1", "one cue for both"),
        line("t2", ""),
        line("t3", None),
        line("t4", "", ".1"),
        line("t4", "more", ".2"),
    ]
    assert _joined(lines) == {"t2"}
