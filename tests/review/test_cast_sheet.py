"""The cast sheet: every character, every undecided line, and nothing that breaks a page."""

import re
from dataclasses import replace
from fractions import Fraction
from html import unescape

import cv2
import numpy as np
import pytest

from dubkit.cast.match import match
from dubkit.review.cast_sheet import write_cast_sheet
from dubkit.settings import CastSettings
from dubkit.types import FaceTrack, FrameRange, Line, Segment, Shot, SpeakingScore, Turn
from tests.fakes.killed import Dying
from tests.fakes.pictures import MemoryFilm, noise

N = 20


def track(name, x):
    ones = np.ones(N, np.float32)
    return FaceTrack(
        name, 0, np.arange(N), np.tile(np.array([[x, 40, x + 50, 100]], np.float32), (N, 1)), ones, ones > 0
    )


def sheet(tmp_path, turns, tracks, scores, text="Hello <b>& you</b>"):
    film = MemoryFilm([noise(180, 320)] * N)
    shots = [Shot(0, FrameRange(0, N))]
    result = match(turns, shots, tracks, scores, Fraction(25), CastSettings())
    lines = [Line("l0", "t0", Segment(0, 0.8), "v<1>", text)]
    html, png = write_cast_sheet(tmp_path, film, turns, lines, tracks, result)
    return html.read_text(encoding="utf-8"), cv2.imread(str(png)), result


def test_characters_lines_and_faces_are_shown_and_text_is_escaped(tmp_path):
    turns = [Turn("t0", Segment(0, 0.8), "v<1>")]
    tracks = [track("left", 20), track("edge", 290)]
    scores = [
        SpeakingScore("left", np.arange(N), np.full(N, 0.3, np.float32)),
        SpeakingScore("edge", np.arange(N), np.full(N, -0.3, np.float32)),
    ]
    page, picture, _ = sheet(tmp_path, turns, tracks, scores)
    assert "v&lt;1&gt;" in page and "Hello &lt;b&gt;&amp; you&lt;/b&gt;" in page and "<b>" not in page
    assert page.count("data:image/jpeg;base64,") == 2 and "face left" in page and "Faces without a voice" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # opens anywhere
    assert picture.shape[0] > 100 and picture.std() > 5


def test_an_undecided_line_shows_who_it_could_be_and_how_to_decide(tmp_path):
    page, picture, result = sheet(
        tmp_path, [Turn("t0", Segment(0, 0.8), "v")], [track("left", 20), track("right", 200)], []
    )
    assert [a.state for a in result.assignments] == ["undecided"]
    assert "1 undecided line." in page and "--line t0=left" in page and "--line t0=off" in page
    assert "face left" in page and "face right" in page and picture.shape[0] > 200


def test_a_film_without_voices_has_a_sheet_too(tmp_path):
    page, picture, _ = sheet(tmp_path, [], [], [])
    assert "no undecided lines" in page and picture is not None


def test_pictures_of_a_killed_run_are_not_cut_out_again(tmp_path):
    turns, tracks = [Turn("t0", Segment(0, 0.8), "v<1>")], [track("left", 20), track("edge", 290), track("mid", 150)]
    scores = [
        SpeakingScore(t.id, np.arange(N), np.full(N, 0.3 if t.id == "left" else -0.3, np.float32)) for t in tracks
    ]
    result = match(turns, [Shot(0, FrameRange(0, N))], tracks, scores, Fraction(25), CastSettings())
    film, seen = MemoryFilm([noise(180, 320)] * N), []
    read = film.read
    film.read = lambda frames: seen.append(frames) or read(frames)

    def pages(folder, kept):
        seen.clear()
        return [path.read_bytes() for path in write_cast_sheet(folder, film, turns, [], tracks, result, kept)]

    whole = pages(tmp_path, Dying(None))
    assert len(seen) == 3
    with pytest.raises(KeyboardInterrupt):
        pages(tmp_path, Dying(tmp_path / "unfinished", 2))
    assert pages(tmp_path, Dying(tmp_path / "unfinished")) == whole and len(seen) == 1


def test_times_are_the_films_timecode_and_a_moment_over_a_cut_is_no_row(tmp_path):
    ones = np.ones(10, np.float32)
    tracks = [
        FaceTrack(f"f{i}", i, np.arange(10 * i, 10 * i + 10), np.tile([[20, 40, 70, 100]], (10, 1)).astype(np.float32), ones, ones > 0)
        for i in range(2)
    ]  # fmt: skip
    film = MemoryFilm([noise(180, 320)] * N)
    film.media = replace(film.media, timecode="01:00:00:00")
    shots, turns = [Shot(0, FrameRange(0, 10)), Shot(1, FrameRange(10, 20))], [Turn("t0", Segment(0, 0.48), "v")]
    scores = [SpeakingScore("f0", np.arange(10), np.full(10, 0.3, np.float32))]
    result = match(turns, shots, tracks, scores, Fraction(25), CastSettings())
    folder = tmp_path / "film.dubkit" / "match"
    folder.mkdir(parents=True)
    page = write_cast_sheet(folder, film, turns, [], tracks, result)[0].read_text(encoding="utf-8")
    assert len(result.assignments) == 2 and page.count("<td>") and "reaches over the cut" not in page
    assert "01:00:00:00<br>01:00:00:10" in page and "dubkit cast film.dub.toml --name v=NAME" in page
    (folder := tmp_path / "my film.dubkit" / "match").mkdir(parents=True)
    page = unescape(write_cast_sheet(folder, film, turns, [], tracks, result)[0].read_text(encoding="utf-8"))
    typed = page.partition("<code>dubkit cast ")[2].partition("</code>")[0].replace('"', "'")
    assert typed == "'my film.dub.toml' --name v=NAME", "what is to be typed has quotes where a name has spaces"
