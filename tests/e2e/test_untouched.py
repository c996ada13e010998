"""The whole pipeline on a small film: what no mouth had a reason to change comes out as it came in."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.project.pipeline import dub
from dubkit.project.stages import STAGES
from tests.e2e.little import FRAMES, TALK, make_little_film

pytest.importorskip("skimage", reason="the person is scikit-image's astronaut")
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_little_film(tmp_path_factory.mktemp("little"))


def dubbed(project, **flags):
    (outcome,) = dub(project, flags={key.replace("__", "."): value for key, value in flags.items()})
    report = json.loads(outcome.report.with_suffix(".json").read_text())
    return probe(outcome.film), report


def changed_frames(source, film) -> list[int]:
    """Frames of which a single sample of any plane differs."""
    with FrameReader(source) as one, FrameReader(film) as two:
        return [
            old.index
            for old, new in zip(one.read(), two.read(), strict=True)
            if not all(map(np.array_equal, old.planes, new.planes))
        ]


@pytest.mark.parametrize("flags", [
    pytest.param({"render__codec": "ffv1", "render__audio_codec": "flac"}, id="ffv1"),
    pytest.param({"render__quality": 0}, id="h264 qp 0"),
    pytest.param({"render__codec": "h265", "render__quality": 0}, id="h265 lossless", marks=pytest.mark.slow),
])  # fmt: skip
def test_frames_outside_every_job_are_identical_where_the_codec_is_lossless(project, flags):
    film, report = dubbed(project, **flags)
    source = probe(project.with_name("film.mp4"))
    jobs = {n for job in report["lips"] for n in range(*job["frames"])}
    assert jobs and jobs <= set(TALK)
    altered = {n for start, stop in report["result"]["altered"] for n in range(start, stop)}
    found = changed_frames(source, film)
    assert set(found) <= altered <= jobs  # nothing changed that the report does not name
    assert len(found) >= len(TALK) // 2  # and the mouth was moved


def test_untouched_groups_are_copied_and_the_report_says_so(project):
    film, report = dubbed(project, render__copy_untouched=True, render__quality=30)
    source = probe(project.with_name("film.mp4"))
    copied = {n for start, stop in report["result"]["copied"] for n in range(start, stop)}
    jobs = {n for job in report["lips"] for n in range(*job["frames"])}
    assert report["result"]["not_copied"] is None
    assert copied and not copied & jobs and copied >= set(range(12))
    assert set(changed_frames(source, film)) == set(range(FRAMES)) - copied
    assert "copied from the source" in (project.parent / "film.dubkit/es/report/report.html").read_text()


@pytest.mark.slow
def test_what_cannot_be_copied_is_encoded_and_the_report_says_why(project):
    film, report = dubbed(project, render__copy_untouched=True, render__codec="h265")
    assert report["result"]["copied"] == [] and "only H.264 is copied" in report["result"]["not_copied"]
    assert film.video.num_frames == FRAMES


def test_a_copy_that_comes_out_changed_is_encoded_instead(project, monkeypatch):
    from dubkit.errors import CopyRefused
    from dubkit.media import mux

    def refuse(*_):
        raise CopyRefused("frame 3 was copied and comes out changed")

    monkeypatch.setattr(mux, "check_copied", refuse)
    film, report = dubbed(project, render__copy_untouched=True, render__quality=0)
    assert report["result"]["copied"] == [] and "frame 3 was copied" in report["result"]["not_copied"]
    altered = {n for start, stop in report["result"]["altered"] for n in range(start, stop)}
    assert set(changed_frames(probe(project.with_name("film.mp4")), film)) <= altered


@pytest.mark.slow
@pytest.mark.parametrize("preset, suffix, codec, sound", [
    ("draft", ".mp4", "h264", ["aac"]), ("film", ".mov", "prores", ["pcm_s24le", "pcm_s24le"]),
    ("social", ".mp4", "h264", ["aac"]), ("cpu", ".mp4", "h264", ["aac"]),
])  # fmt: skip
def test_every_preset_gives_its_film(project, preset, suffix, codec, sound):
    (outcome,) = dub(project, preset=preset)
    film = probe(outcome.film)
    assert (outcome.film.suffix, film.video.codec, [s.codec for s in film.audio]) == (suffix, codec, sound)
    assert film.video.num_frames == FRAMES
    if preset == "film":
        assert list((outcome.report.parent.parent / "voice").rglob("*.wav"))


@pytest.mark.slow
def test_dub_beside_the_original(project):
    film, _ = dubbed(project, render__dub_track="add")
    assert [(s.language, s.title) for s in film.audio] == [("spa", "Dub"), ("eng", "Original")]


def test_nothing_runs_twice(project):
    from dubkit.project import layers, schema
    from dubkit.project.pipeline import Pipeline

    dub(project)
    events = []
    file = schema.load(project)
    Pipeline(file, layers.merged(file)[0], events.append).run()
    assert [event.kind for event in events] == ["fresh"] * len(STAGES)
