"""What the stages of one language prepare for their rooms."""

from dubkit.project.dubbing import _joined
from dubkit.types import Line, Segment


def line(turn, translation, part=""):
    return Line(turn + part, turn, Segment(0, 1), "S0", "text", translation=translation)


def test_turns_that_another_line_speaks_for():
    lines = [
        line("t1", "one cue for both"),
        line("t2", ""),
        line("t3", None),
        line("t4", "", ".1"),
        line("t4", "more", ".2"),
    ]
    assert _joined(lines) == {"t2"}
