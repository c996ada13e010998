"""Paint keeps its brightness and gets the actor's own colours."""

import numpy as np

from dubkit.lips.colours import ActorsColours


def held(film, paint):
    return ActorsColours.learnt([film[:4], film[4:]]).held(film, paint)


def test_a_green_lip_gets_the_actors_colours_and_keeps_its_brightness():
    rng = np.random.default_rng(0)
    light = rng.uniform(60, 200, (10, 48, 96, 1))
    film = np.clip(light * (1.2, 0.93, 0.85) + rng.normal(0, 1, (10, 48, 96, 3)), 0, 255).astype(np.uint8)
    green = np.clip(light[::-1] * (1.0, 1.05, 0.85), 0, 255).astype(np.uint8)
    done = held(film, green)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(done @ luma - green @ luma).max() < 0.1
    assert np.abs(done[..., 0] / done[..., 1] - 1.2 / 0.93).mean() < 0.04


def test_real_colours_stay_as_they_are():
    rng = np.random.default_rng(0)
    film = np.clip(
        rng.uniform(60, 200, (10, 48, 96, 1)) * (1.2, 0.93, 0.85) + rng.normal(0, 3, (10, 48, 96, 3)), 0, 255
    )
    film = film.astype(np.uint8)
    assert np.abs(held(film, film[::-1]) - film[::-1]).mean() < 2
