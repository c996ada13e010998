"""The seam measures find what they are for: a pixel outside, a colour step at the edge, a trembling skin."""

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lips"))
from lips_film import MemoryFilm, job, run
from lips_painters import ColourPainter

from dubkit.errors import InputError
from dubkit.evaluate.seams import evaluate_seams, measure
from dubkit.lips.blend import blend
from dubkit.review.strips import write_strip
from dubkit.types import FrameRange


class Same(ColourPainter):
    def generate(self, windows, crops, references):
        return crops.copy()


@pytest.fixture(scope="module")
def film():
    return MemoryFilm(16)


@pytest.fixture(scope="module")
def mouth(film):
    class Mouth(ColourPainter):
        def generate(self, windows, crops, references):
            painted = crops.copy()
            painted[:, 68:80, 36:60] = (120, 20, 30)
            return painted

    return run(film, [job(0, 16)], [film.track()], Mouth())["a"]


def test_a_good_blend_is_quiet(film, mouth):
    found = measure(film.read(FrameRange(0, 16)), mouth)
    assert found.changed_outside == 0 and found.ring_difference < 0.3 and 0.8 < found.tremble < 1.1


def test_no_change_measures_nothing(film):
    same = run(film, [job(0, 16)], [film.track()], Same())["a"]
    found = measure(film.read(FrameRange(0, 16)), same)
    assert (found.changed_outside, found.ring_difference, found.tremble) == (0, 0.0, 1.0)


def test_a_single_pixel_outside_is_counted(film, mouth):
    def careless(frame):
        made = blend(frame, [(mouth, frame.index)])
        luma = made.planes[0].copy()
        luma[3, 5] ^= 1
        return replace(made, planes=(luma, *made.planes[1:]))

    assert measure(film.read(FrameRange(0, 4)), mouth, careless).changed_outside == 4


def test_a_colour_step_and_tremble_are_seen(film, mouth):
    def painted(frame, level):
        made = blend(frame, [(mouth, frame.index)])
        luma = made.planes[0].astype(int)
        luma[120:180, 105:195] += level
        return replace(made, planes=(np.clip(luma, 0, 255).astype(np.uint8), *made.planes[1:]))

    step = measure(film.read(FrameRange(0, 8)), mouth, lambda frame: painted(frame, 5))
    assert step.ring_difference > 3
    restless = measure(film.read(FrameRange(0, 8)), mouth, lambda frame: painted(frame, 4 * (-1) ** frame.index))
    assert restless.tremble > 1.5


def test_a_fade_is_no_pop_and_a_missing_fade_is_one(film, mouth):
    frames = FrameRange(0, 16)
    assert measure(film.read(frames), mouth).edge_step == 0  # from cut to cut
    alpha = np.ones(16, np.float32)
    alpha[:4] = alpha[:-5:-1] = 0.1, 0.35, 0.65, 0.9
    faded = measure(film.read(frames), replace(mouth, alpha=alpha)).edge_step
    alpha[:4] = alpha[:-5:-1] = 0.9
    assert measure(film.read(frames), replace(mouth, alpha=alpha)).edge_step > 2 * faded > 0


def test_a_strip_is_three_rows_and_a_column_a_frame(tmp_path, film, mouth):
    assert write_strip(tmp_path / "s.png", film.read(FrameRange(2, 6)), [mouth], height=100) == 4
    picture = cv2.imread(str(tmp_path / "s.png"))
    assert 300 <= picture.shape[0] <= 340
    rows = picture[18:318].reshape(3, 100, -1, 3)
    assert np.abs(rows[2].astype(int) - 128).max() > 50 and np.median(rows[2]) == 128
    with pytest.raises(InputError, match="none of these frames"):
        write_strip(tmp_path / "t.png", iter(()), [mouth])


def test_an_empty_folder_is_said(tmp_path):
    with pytest.raises(InputError, match="no lip results"):
        evaluate_seams(tmp_path / "film.mp4", tmp_path)


def test_whole_film_on_disk(tmp_path, shared):
    film = shared / "media" / "film_a.mp4"
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader
    from dubkit.types import FaceTrack

    box = np.array([574, 134, 790, 419], np.float32)
    track = FaceTrack("s0000f00", 0, np.arange(12), np.tile(box, (12, 1)), np.ones(12, np.float32), np.ones(12, bool))
    with FrameReader(probe(film)) as reader:
        result = run(reader, [job(2, 10, fade=(2, 2))], [track], ColourPainter(colour=(150, 100, 90)))["a"]
    result.save(tmp_path / "0000002-a.npz")
    found = evaluate_seams(film, tmp_path, strips=tmp_path / "strips", columns=3)
    assert found["changed_outside"] == 0 and found["rows"][0]["frames_changed"] == 8
    assert (tmp_path / "strips" / "0000002-a.png").stat().st_size > 10_000
