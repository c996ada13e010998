"""Cuts, dissolves, freeze frames and hand-made lists."""

import json
from dataclasses import replace

import numpy as np
import pytest

from dubkit.errors import InputError
from dubkit.faces.shot_list import load_shots
from dubkit.faces.shots import find_shots
from dubkit.settings import FacesSettings
from dubkit.types import FrameRange
from tests.fakes.killed import Dying
from tests.fakes.pictures import MemoryFilm, heads, noise, pasted

pytest.importorskip("scenedetect")


def scene(seed, frames, speed=2):
    """A room of its own colours with a moving thing in it."""
    room = np.roll(noise(180, 320, seed), seed, axis=2)
    thing = noise(48, 48, seed + 100)
    return [pasted(room, thing, 20 + speed * i, 60) for i in range(frames)]


def found(pictures, **settings):
    return [
        (s.frames.start, s.frames.stop, s.transition)
        for s in find_shots(MemoryFilm(pictures), FacesSettings(**settings))
    ]


def dark(pictures):
    return [(picture // 3) for picture in pictures]


def test_cuts_are_exact_and_shots_cover_the_film():
    assert found(scene(1, 30) + dark(scene(2, 20)) + scene(3, 25)) == [
        (0, 30, "start"),
        (30, 50, "cut"),
        (50, 75, "cut"),
    ]


def test_a_film_without_a_cut_is_one_shot():
    assert found(scene(1, 20)) == [(0, 20, "start")]


def test_shots_of_one_frame():
    film = scene(1, 12) + dark(scene(2, 1)) + scene(3, 12)
    assert [shot[:2] for shot in found(film)] == [(0, 12), (12, 13), (13, 25)]


@pytest.mark.parametrize("length", [8, 16, 30])
def test_a_dissolve_between_two_faces_begins_the_new_shot_where_it_outweighs_the_old(length):
    astronaut, admiral = heads(160)
    before = pasted(noise(180, 320, 4), astronaut, 80, 10)
    after = pasted(255 - noise(180, 320, 5), admiral, 120, 10)
    share = np.linspace(0, 1, length + 2)[1:-1]
    blend = [(before * (1 - s) + after * s).astype(np.uint8) for s in share]
    shots = found([before] * 20 + blend + [after] * 20)
    assert [shot[2] for shot in shots] == ["start", "dissolve"]
    assert abs(shots[1][0] - (20 + length / 2)) <= 1.5


def test_a_lamp_that_fades_up_is_no_dissolve():
    room = noise(180, 320, 4)
    film = [(room * s).astype(np.uint8) for s in [0.4] * 15 + list(np.linspace(0.4, 1, 20)) + [1.0] * 15]
    assert found(film) == [(0, 50, "start")]


def test_a_fast_pan_is_no_dissolve():
    wide = noise(180, 1600, 6)
    assert found([wide[:, 12 * i : 12 * i + 320].copy() for i in range(60)]) == [(0, 60, "start")]


def test_a_freeze_frame_at_the_end_of_a_shot_begins_at_the_first_still_frame():
    moving = scene(1, 20)
    shots = found(moving + [moving[-1]] * 40 + dark(scene(2, 20)))
    assert shots == [(0, 19, "start"), (19, 60, "freeze"), (60, 80, "cut")]


def test_a_picture_that_never_moves_is_no_freeze_frame():
    assert found([noise(180, 320, 4)] * 60) == [(0, 60, "start")]


MEDIA = MemoryFilm([np.zeros((90, 160, 3), np.uint8)] * 200).media
EDL = """TITLE: x
FCM: NON-DROP FRAME

001  AX V     C        00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00
* FROM CLIP NAME: a
002  AX V     D    024 00:00:00:00 00:00:06:00 01:00:02:00 01:00:08:00
003  AX AA    C        00:00:00:00 00:00:06:00 01:00:04:00 01:00:08:00
"""


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.json", "[0, 50]"),
        ("a.json", "[[0, 50], [50, 200]]"),
        ("a.json", json.dumps({"shots": [{"frames": [0, 50]}, {"frames": [50, 200]}]})),
        ("a.csv", "start,stop\n0,50\n50,200\n"),
        ("a.csv", "Timecode List:,00:00:02.000\nScene Number,Start Frame,End Frame\n1,1,50\n2,51,200\n"),
        ("a.edl", EDL),
    ],
)
def test_a_hand_made_list_replaces_detection(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert [s.frames for s in load_shots(path, MEDIA)] == [FrameRange(0, 50), FrameRange(50, 200)]
    reader = MemoryFilm([np.zeros((90, 160, 3), np.uint8)] * 200)
    assert [s.frames.stop for s in find_shots(reader, FacesSettings(shots=str(path)))] == [50, 200]


def test_an_edl_counts_from_the_films_start_timecode(tmp_path):
    path = tmp_path / "a.edl"
    path.write_text(
        EDL.replace("01:00:02:00 01:00:08:00", "01:00:03:00 01:00:08:00").replace(
            "01:00:00:00 01:00:02:00", "01:00:01:00 01:00:03:00"
        )
    )
    shots = load_shots(path, replace(MEDIA, timecode="01:00:00:00"))
    assert [s.frames.start for s in shots] == [0, 25, 75]


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("a.json", "[0, 500]", "0 to 199"),
        ("a.txt", "", "must end in"),
        ("a.json", "{}", "does not say"),
        ("a.json", "[0, 1e999]", "does not say"),
        ("a.edl", "x", "does not say"),
        ("a.csv", "scene,begin\n1,2\n", "no column"),
        ("a.csv", "", "no column"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_by_name(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_shots(path, MEDIA)


def test_a_missing_list_is_refused():
    with pytest.raises(InputError, match="cannot be read"):
        load_shots("nowhere.json", MEDIA)


def test_a_search_that_is_killed_anywhere_goes_on_and_finds_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("dubkit.faces.shots.KEPT", 9)
    astronaut, admiral = heads(160)
    before, after = pasted(noise(180, 320, 4), astronaut, 80, 10), pasted(255 - noise(180, 320, 5), admiral, 120, 10)
    blend = [(before * (1 - s) + after * s).astype(np.uint8) for s in np.linspace(0, 1, 18)[1:-1]]
    moving = scene(1, 20)
    film = moving + [moving[-1]] * 30 + dark(scene(2, 12)) + [before] * 12 + blend + [after] * 12 + scene(3, 12)
    whole = find_shots(MemoryFilm(film), FacesSettings())
    assert [shot.transition for shot in whole] == ["start", "freeze", "cut", "cut", "dissolve", "cut"]
    for left in (1, 4, 6, 9, 10, 12):  # moving, still, after a cut, in the dissolve, behind it, near the end
        looked = []
        with pytest.raises(KeyboardInterrupt):
            find_shots(MemoryFilm(film), FacesSettings(), pieces=Dying(tmp_path / f"{left}", left))
        kept = Dying(tmp_path / f"{left}")
        assert find_shots(MemoryFilm(film), FacesSettings(), lambda done, _, at=looked: at.append(done), kept) == whole
        assert min(looked) >= 9 * left
