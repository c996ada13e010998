"""Landmarks: FAN where its weights are, the detector's own points otherwise, and faces without any."""

import cv2
import numpy as np
import pytest

from dubkit.errors import EngineUnavailable, SettingsError, WeightsError
from dubkit.faces.align import five_points
from dubkit.faces.base import Detections
from dubkit.faces.fan import CELLS, MIRRORED, Fan, peaks, squares
from dubkit.faces.landmarks import FAN_FILE, Landmarker, create_landmarker, landmarks_in_use
from dubkit.faces.track import track_faces
from dubkit.settings import FacesSettings, layered
from dubkit.types import FrameRange, Shot
from tests.fakes.pictures import KnownFaces, MemoryFilm, noise

BOX = np.array([[100, 100, 200, 220]], np.float32)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A torch home whose hub cache holds FAN's weights in the published format, with random numbers."""
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("face_alignment.models")
    home = tmp_path_factory.mktemp("torch")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(models.FAN(4).state_dict(), folder / FAN_FILE)
    return home


def test_auto_is_fan_where_its_weights_are_and_the_detector_where_they_are_not(untrained, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert landmarks_in_use(FacesSettings()) == "detector" and create_landmarker(FacesSettings()) is None
    with pytest.raises(EngineUnavailable, match='faces.landmarks = "detector"'):
        create_landmarker(FacesSettings(landmarks="fan"))
    monkeypatch.setenv("TORCH_HOME", str(untrained))
    assert landmarks_in_use(FacesSettings()) == "fan"
    assert landmarks_in_use(FacesSettings(landmarks="detector")) == "detector"


def test_torchs_own_idea_of_the_cache_is_ours(monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    from dubkit.faces.landmarks import fan_weights

    for variable in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        monkeypatch.setenv(variable, str(tmp_path))
        assert str(fan_weights().parent.parent) == torch.hub.get_dir()


@pytest.mark.slow
def test_the_published_format_loads_from_cache_and_path_and_gives_68_points_a_face(untrained, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(untrained))
    engine = create_landmarker(FacesSettings())
    picture = noise(360, 640)
    found = engine.locate(picture, np.concatenate([BOX, BOX + [200, 0, 200, 0]]))
    assert found.shape == (2, 68, 2) and found.dtype == np.float32 and np.isfinite(found).all()
    corners, sides = squares(BOX)
    assert (found[0] >= corners[0] - 1).all() and (found[0] <= corners[0] + sides[0] + 1).all()
    assert engine.locate(picture, np.zeros((0, 4), np.float32)).shape == (0, 68, 2)
    path = untrained / "hub" / "checkpoints" / FAN_FILE
    again = Fan(str(path)).locate(picture, BOX)
    assert again[0] == pytest.approx(found[0], abs=1e-3)


@pytest.mark.slow
def test_fan_sees_the_crop_of_the_package_itself(untrained, monkeypatch):
    """The package's own reading of the same random network gives the same points, to a rounding of its integer crop."""
    api = pytest.importorskip("face_alignment")
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("TORCH_HOME", str(untrained))
    fan = Fan()
    fan.net = _Bright(torch)
    face = api.FaceAlignment.__new__(api.FaceAlignment)
    face.device, face.flip_input, face.dtype, face.max_batch_size = "cpu", False, torch.float32, 1
    face.landmarks_type, face.face_alignment_net = api.LandmarksType.TWO_D, fan.net
    face.face_detector = type("Sfd", (), {"reference_scale": 195})
    picture = np.zeros((360, 640, 3), np.uint8)
    cv2.circle(picture, (150, 170), 5, (255, 255, 255), -1)
    theirs = face.get_landmarks_from_image(picture, [[*BOX[0].tolist(), 1.0]])[0][0]
    ours = fan.locate(picture, BOX)[0, 0]
    assert ours == pytest.approx([150, 170], abs=1.5) and ours == pytest.approx(theirs, abs=2.0)


class _Bright:
    """A network whose heat maps are the picture's own brightness."""

    def __init__(self, torch):
        self.torch = torch

    def __call__(self, inputs):
        small = self.torch.nn.functional.avg_pool2d(inputs.mean(dim=1, keepdim=True), 4)
        return [small.expand(-1, 68, -1, -1).clone()]


def test_maxima_are_found_in_the_middle_of_their_cells_and_lean_to_the_higher_side():
    heat = np.zeros((1, 2, CELLS, CELLS), np.float32)
    heat[0, 0, 10, 20] = heat[0, 1, 0, 63] = 1.0
    heat[0, 0, 10, 21] = 0.5
    assert peaks(heat)[0].tolist() == [[20.75, 10.5], [63.75, 0.25]]


def test_a_mirror_image_renames_points_in_pairs():
    assert (MIRRORED[MIRRORED] == np.arange(68)).all()
    assert MIRRORED[36] == 45 and MIRRORED[48] == 54 and MIRRORED[30] == 30 and MIRRORED[0] == 16


def test_a_file_that_is_something_else_is_refused(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("face_alignment")
    page = tmp_path / "fan.pth.tar"
    page.write_text("<html>")
    with pytest.raises(WeightsError, match="does not hold FAN"):
        Fan(str(page))
    with pytest.raises(WeightsError, match="no file"):
        Fan(str(tmp_path / "none"))


def test_the_setting_has_three_values():
    with pytest.raises(SettingsError, match="faces.landmarks"):
        layered({"flag": {"faces": {"landmarks": "mediapipe"}}})


class SixtyEight(Landmarker):
    """Eyes, nose and mouth at known places of the box, as 68 points."""

    def locate(self, picture, boxes):
        size = boxes[:, None, 2:] - boxes[:, None, :2]
        spots = np.tile(np.array([0.5, 0.6]), (68, 1))
        spots[36:42], spots[42:48], spots[48], spots[54] = (0.3, 0.4), (0.7, 0.4), (0.35, 0.8), (0.65, 0.8)
        return (boxes[:, None, :2] + spots * size).astype(np.float32)


def test_a_track_carries_68_points_smoothed_and_in_source_pixels(monkeypatch):
    monkeypatch.setattr("dubkit.faces.track.create_detector", lambda s: KnownFaces([[((50, 50, 100, 110), 0.9)]] * 5))
    monkeypatch.setattr("dubkit.faces.track.create_landmarker", lambda s: SixtyEight())
    film = MemoryFilm([noise(720, 1280)] * 11)
    settings = FacesSettings(detect_every=5, identity="appearance")
    (track,) = track_faces(film, [Shot(0, FrameRange(0, 11))], settings)
    assert track.landmarks.shape == (11, 68, 2) and track.embedding is not None
    eyes = five_points(track.landmarks)[5, :2]
    assert eyes == pytest.approx(np.array([[130, 148], [170, 148]]), abs=2)


def test_a_detector_without_points_gives_tracks_without(monkeypatch):
    monkeypatch.setattr("dubkit.faces.track.create_detector", lambda s: KnownFaces([[((50, 50, 100, 110), 0.9)]] * 5))
    settings = FacesSettings(detect_every=5, identity="none", landmarks="detector")
    (track,) = track_faces(MemoryFilm([noise(360, 640)] * 11), [Shot(0, FrameRange(0, 11))], settings)
    assert track.landmarks is None


def test_detections_take_five_points_or_68():
    for count in (5, 68):
        assert len(Detections(BOX, np.ones(1, np.float32), np.zeros((1, count, 2), np.float32))) == 1
