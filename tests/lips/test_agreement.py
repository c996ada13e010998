"""The sync score of the report: a mouth agrees better with its own voice than with another moment of it."""

import csv
from fractions import Fraction

import numpy as np
import pytest

from dubkit.lips import mel
from dubkit.lips.agreement import agreement


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(50)])
def test_enough_frames_give_a_number_and_too_few_none(rate):
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (40, 96, 96, 3)).astype(np.uint8)
    windows = rng.normal(size=(40, 1, 80, 16)).astype(np.float32)
    same, other = agreement((crops, crops[::-1]), windows, rate)
    assert -1 <= same <= 1 and same != other
    assert agreement((crops[:3],), windows[:3], rate) is None
    assert agreement((crops[:0],), windows[:0], rate) is None


def test_other_crop_sizes_are_brought_to_the_experts():
    crops = np.zeros((10, 144, 144, 3), np.uint8)
    assert agreement((crops,), np.zeros((10, 1, 80, 16), np.float32), Fraction(25)) is not None


def test_real_speech_agrees_best_with_its_own_time(shared):
    from dubkit.lips.crops import cut
    from dubkit.media.audio import read_audio
    from dubkit.media.probe import probe
    from dubkit.media.reader import FrameReader
    from dubkit.types import FrameRange

    with (shared / "data" / "index.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["set"] == "grid")
    film = shared / "data" / row["file"]
    first, last = int(row["start"]), min(int(row["stop"]), int(row["start"]) + 70)
    with FrameReader(probe(film)) as reader:
        frames = [frame.rgb() for frame in reader.read(FrameRange(first, last))]
    height, width = frames[0].shape[:2]
    box = np.array([[0.62 * width / 96, 0, 0.19 * width], [0, 0.72 * height / 96, 0.16 * height]], np.float32)
    crops = np.stack([np.rint(cut(picture, box, 96)) for picture in frames]).astype(np.uint8)
    sound = read_audio(film, sample_rate=16000, channels=1)[0]
    steps = mel.melspectrogram(sound)

    def late(by):
        windows = mel.windows(steps, (mel.window_start(n + by, 25) for n in range(first, last)))
        return agreement((crops,), windows, Fraction(25))[0]

    assert late(0) > max(late(-12), late(12)) + 0.05
