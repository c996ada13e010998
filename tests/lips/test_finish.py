"""Colour and stillness: a tint of the paint is taken out, what did not move stays the film's; memory does not grow with the job."""

import tracemalloc

import numpy as np
import pytest

from dubkit.lips import finish as finish_module
from dubkit.lips.finish import finish

SHAPES = np.tile(np.array([0.5, 0.75, 0.42, 0.245, 0.11, 0.5], np.float32), (20, 1))
SEEN = np.random.default_rng(0).integers(90, 160, (20, 96, 96, 3)).astype(np.uint8)


def mouth_in(painted):
    painted = painted.copy()
    painted[:, 66:80, 34:62] = (120, 20, 30)
    return painted


@pytest.mark.parametrize("tint", [(12, 0, 0), (-8, 6, 3)])
def test_a_tint_is_taken_out_and_the_mouth_stays(tint):
    film = np.where(np.arange(20)[:, None, None, None] % 2, mouth_in(SEEN), SEEN)  # the actor's lips are of that red
    tinted = np.clip(SEEN.astype(int) + tint, 0, 255).astype(np.uint8)
    done = finish(film, mouth_in(tinted), SHAPES)
    still = np.ones((96, 96), bool)
    still[62:84, 30:66] = False
    assert np.abs(done[:, still].astype(int) - SEEN[:, still]).max() <= 2
    mouth = done[:, 70:76, 42:54].astype(int) - ((120, 20, 30) - np.array(tint))
    assert np.abs(mouth).mean() < 4


def test_colour_is_left_alone_where_asked():
    tinted = np.clip(SEEN.astype(int) + (15, 0, 0), 0, 255).astype(np.uint8)
    done = finish(SEEN, tinted, SHAPES, match_color=False)
    assert np.abs(done[:, 48:, :, 0].astype(int) - SEEN[:, 48:, :, 0] - 15).mean() < 1


def test_the_networks_tremble_on_still_skin_is_gone():
    noise = np.random.default_rng(1).normal(0, 1.5, SEEN.shape)
    done = finish(SEEN, np.clip(SEEN + noise, 0, 255).astype(np.uint8), SHAPES)
    assert (done != SEEN).mean() < 0.01


def test_the_upper_half_is_the_films():
    done = finish(SEEN, 255 - SEEN, SHAPES)
    assert np.array_equal(done[:, :48], SEEN[:, :48])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_jobs(count):
    assert finish(SEEN[:count], mouth_in(SEEN)[:count], SHAPES[:count]).shape == (count, 96, 96, 3)


def test_blocks_cannot_be_seen(monkeypatch):
    film = np.where(np.arange(20)[:, None, None, None] % 3, mouth_in(SEEN), SEEN)
    paint = np.clip(film.astype(int) + np.arange(20)[:, None, None, None] % 7 * 4, 0, 255).astype(np.uint8)
    monkeypatch.setattr(finish_module, "_BLOCK", 1000)
    whole = finish(film, paint, SHAPES)
    monkeypatch.setattr(finish_module, "_BLOCK", 6)
    assert np.array_equal(finish(film, paint, SHAPES), whole)


def test_memory_is_that_of_a_block():
    film, shapes = np.tile(SEEN, (10, 1, 1, 1)), np.tile(SHAPES, (10, 1))
    tracemalloc.start()
    finish(film, mouth_in(film), shapes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - 2 * film.nbytes < 40e6  # the paint, the result, and 32 frames in work; 200 at once take 100 MB
