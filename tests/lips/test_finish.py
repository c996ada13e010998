"""Colour and stillness: a tint of the paint is taken out, what did not move stays the film's."""

import numpy as np
import pytest

from dubkit.lips.finish import actors_colours, finish

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


def test_a_green_lip_gets_the_actors_colours_and_keeps_its_brightness():
    rng = np.random.default_rng(0)
    light = rng.uniform(60, 200, (10, 48, 96, 1))
    film = np.clip(light * (1.2, 0.93, 0.85) + rng.normal(0, 1, (10, 48, 96, 3)), 0, 255).astype(np.uint8)
    green = np.clip(light[::-1] * (1.0, 1.05, 0.85), 0, 255).astype(np.uint8)
    done = actors_colours(film, green)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(done @ luma - green @ luma).max() < 0.1
    assert np.abs(done[..., 0] / done[..., 1] - 1.2 / 0.93).mean() < 0.04


def test_real_colours_stay_as_they_are():
    rng = np.random.default_rng(0)
    film = np.clip(
        rng.uniform(60, 200, (10, 48, 96, 1)) * (1.2, 0.93, 0.85) + rng.normal(0, 3, (10, 48, 96, 3)), 0, 255
    )
    film = film.astype(np.uint8)
    assert np.abs(actors_colours(film, film[::-1]) - film[::-1]).mean() < 2
