"""``dubkit nle dub``: a file in, a file out, through the formats."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from dubkit.errors import InputError
from dubkit.nle.dub import Order, dub_file, finished, summary
from dubkit.nle.plugins import format_for
from dubkit.nle.script import Script
from dubkit.nle.sound import write_wav
from dubkit.nle.timeline import Clip, MediaFacts, Timeline, TimelineError, Track
from dubkit.types import FrameRange
from tests.fakes.dubber import FakeDubber
from tests.fakes.films import make_film, numbers, ramp

RATE = Fraction(30000, 1001)


@pytest.fixture(scope="module")
def edit(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("edit")
    film = make_film(folder / "film.mov", RATE, 60)
    write_wav(folder / "dub.wav", ramp(0, 96000, 1))
    facts = MediaFacts(RATE, 60, 256, 128, 2)
    clips = (
        Clip("one", FrameRange(0, 10), film, 20 / RATE, facts=facts),
        Clip("two", FrameRange(15, 25), film, facts=facts),
    )
    timeline = Timeline("edit", RATE, (Track("video", "V1", clips),), 107892, True)
    for suffix in ("otio", "fcpxml", "edl", "xml"):
        path = folder / f"in.{suffix}"
        format_for(path).write(timeline, path)
    return folder


def order(edit: Path, **more) -> Order:
    return Order("es", Script(dialogue=edit / "dub.wav"), handles=3, **more)


@pytest.mark.parametrize("suffix", ["otio", "fcpxml", "edl", "xml"])
def test_each_format_comes_back_with_the_dub(suffix, edit, tmp_path):
    source, output, fake = edit / f"in.{suffix}", tmp_path / f"out.{suffix}", FakeDubber()
    before = source.read_bytes()
    result = dub_file(source, output, order(edit), fake, rate=RATE)
    assert source.read_bytes() == before and result.output == output and result.fresh
    assert finished(tmp_path / "out_dub", result.key) and summary(result)[0].startswith("2 clips dubbed, 0 left alone")
    assert numbers(result.placed[0].path)[3:13] == list(range(20, 30))
    first = output.read_bytes()
    again = dub_file(source, output, order(edit), fake, rate=RATE)
    assert not again.fresh and output.read_bytes() == first and len(fake.requests) == 1


def test_the_result_as_opentimelineio_reads_it(edit, tmp_path):
    dub_file(edit / "in.otio", tmp_path / "out.otio", order(edit), FakeDubber())
    document = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    original, dub = document.video_tracks()
    assert [c.range_in_parent() for c in original.find_clips()] == [c.range_in_parent() for c in dub.find_clips()]
    assert original.is_equivalent_to(otio.adapters.read_from_file(str(edit / "in.otio")).video_tracks()[0])
    for clip in (*dub.find_clips(), *document.audio_tracks()[0].find_clips()):
        assert Path(clip.media_reference.target_url).is_file()
        held, used = clip.media_reference.available_range, clip.source_range
        assert held.start_time <= used.start_time and used.end_time_exclusive() <= held.end_time_exclusive()


def test_from_one_format_to_another(edit, tmp_path):
    result = dub_file(edit / "in.edl", tmp_path / "out.fcpxml", order(edit), FakeDubber(), rate=RATE)
    back = format_for(tmp_path / "out.fcpxml").read(tmp_path / "out.fcpxml")
    assert [c.record for t in back.of_kind("video") for c in t.clips] == [FrameRange(0, 10), FrameRange(15, 25)]
    assert (back.timecode(0), result.losses) == ("01:00:00;00", ())


def test_what_cannot_work_is_said_before_any_work(edit, tmp_path):
    fake = FakeDubber()
    with pytest.raises(InputError, match="would overwrite"):
        dub_file(edit / "in.otio", edit / "in.otio", order(edit), fake)
    with pytest.raises(InputError, match="no timeline format"):
        dub_file(edit / "in.otio", tmp_path / "out.avi", order(edit), fake)
    with pytest.raises(TimelineError, match="give the rate"):
        dub_file(edit / "in.edl", tmp_path / "out.edl", order(edit), fake)
    with pytest.raises(TimelineError, match="no timeline at"):
        dub_file(edit / "none.otio", tmp_path / "out.otio", order(edit), fake)
    assert fake.requests == []
