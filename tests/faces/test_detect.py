"""Where the detector looks: everywhere at first, then around the faces, and everywhere again when one is missing."""

import numpy as np
import pytest

from dubkit.faces.base import Detections, FaceDetector
from dubkit.faces.detect import WHOLE_EVERY, looks
from dubkit.types import FrameRange, Shot

SIZE = 40


class Marks(FaceDetector):
    """Finds each bright square of the picture, and writes down what part of the picture it was shown."""

    windows = True

    def __init__(self):
        super().__init__()
        self.shown = []

    def detect(self, image):
        self.shown.append(image.shape[:2])
        values = np.unique(image[image > 100])
        boxes = [[x.min(), y.min(), x.max() + 1, y.max() + 1] for y, x, _ in (np.nonzero(image == v) for v in values)]
        points = np.array([[[x0, y0]] * 5 for x0, y0, _, _ in boxes], np.float32).reshape(-1, 5, 2)
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32), points)


def picture(*places):
    image = np.zeros((360, 640, 3), np.uint8)
    for k, (x, y) in enumerate(places):
        image[y : y + SIZE, x : x + SIZE] = 200 + k
    return image


def found(pictures, *edges):
    detector = Marks()
    shots = [Shot(i, FrameRange(*span)) for i, span in enumerate(edges or [(0, len(pictures))])]
    return detector.shown, [look.found for look in looks(enumerate(pictures), shots, detector, None, 1)]


def test_between_searches_of_the_whole_picture_only_the_faces_surroundings_are_searched():
    shown, seen = found([picture((300 + 4 * i, 150)) for i in range(7)])
    whole = [shape == (360, 640) for shape in shown]
    assert whole == [i % WHOLE_EVERY == 0 for i in range(7)] and max(shown[1]) <= 3 * SIZE
    for i, faces in enumerate(seen):  # boxes and points are the whole picture's all the same
        assert faces.boxes.tolist() == [[300 + 4 * i, 150, 340 + 4 * i, 190]]
        assert faces.landmarks[0, 0].tolist() == [300 + 4 * i, 150]


def test_every_shot_begins_and_ends_with_the_whole_picture():
    shown, _ = found([picture((300, 150))] * 7, (0, 2), (2, 6), (6, 7))
    assert [shape == (360, 640) for shape in shown] == [True, True, True, False, False, True, True]


def test_while_a_face_is_missing_it_is_looked_for_everywhere():
    both, one = picture((200, 100), (290, 100)), picture((200, 100))
    shown, seen = found([both, both, one, one, one, both, both, both])
    assert [shape == (360, 640) for shape in shown] == [True, False, False, True, True, True, False, True]
    assert [len(faces) for faces in seen] == [2, 2, 1, 1, 1, 2, 2, 2]


def test_a_face_that_the_window_cuts_is_left_for_the_whole_picture():
    beside = picture((300, 150), (372, 150))  # the window ends in the middle of the second
    shown, seen = found([picture((300, 150)), beside, beside, beside])
    assert shown[1] == (3 * SIZE, 3 * SIZE) and [len(faces) for faces in seen] == [1, 1, 1, 2]


@pytest.mark.parametrize("places", [[], [(0, 0), (600, 320)]])
def test_no_faces_or_faces_all_over_the_picture_are_searched_for_everywhere(places):
    shown, seen = found([picture(*places)] * 5)
    assert shown == [(360, 640)] * 5 and {len(faces) for faces in seen} == {len(places)}
