"""Our FCPXML: back as it went at every rate, read by opentimelineio's adapter, and added to documents of others."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import opentimelineio as otio
import pytest
from fcpxml import parse_fcpxml
from hypothesis import assume, given, settings

from dubkit.nle.plugins import format_for
from dubkit.nle.result import Placement, with_dub
from dubkit.nle.timeline import MediaFacts, TimelineError
from dubkit.nle.uses import GENERATOR
from dubkit.types import FrameRange
from tests.nle.timelines import picture, timelines

FCPXML = format_for(Path("x.fcpxml"))
HALF = Fraction(1, 2)


def through(timeline, path: Path, like: Path | None = None):
    losses = FCPXML.write(timeline, path, like=like)
    return FCPXML.read(path), losses


@settings(max_examples=60, deadline=None)
@given(timeline=timelines(speeds=(Fraction(1), HALF, Fraction(2))))
def test_back_as_it_went(timeline, tmp_path_factory):
    back, losses = through(timeline, tmp_path_factory.getbasetemp() / "a.fcpxml")
    assert not losses
    assert (back.rate, back.start, back.drop, back.name) == (
        timeline.rate,
        timeline.start,
        timeline.drop,
        timeline.name,
    )
    assert picture(back) == picture(timeline)
    heard = [c for t in back.of_kind("audio") if t.name.startswith("lane -") for c in t.clips]
    assert [c.record for c in heard] == [c.record for c in timeline.of_kind("audio")[0].clips]
    assert [(m.record, m.name, m.note) for m in back.markers] == [(m.record, m.name, m.note) for m in timeline.markers]


@settings(max_examples=25, deadline=None)
@given(timeline=timelines(tracks=("video",), rates=(Fraction(24), Fraction(25), Fraction(30)), markers=False))
def test_opentimelineio_reads_the_same_frames(timeline, tmp_path_factory):
    """The public adapter knows whole rates only, and no start: there it must agree with us."""
    timeline = replace(timeline, start=0)
    times = [
        t
        for c in timeline.tracks[0].clips
        for t in (timeline.seconds(c.record.start), len(c.record) / timeline.rate, c.source_start)
    ]
    # the adapter cuts floats off: 97/5 s at 25 becomes frame 484, not 485
    assume(all(int(t.numerator / t.denominator * float(timeline.rate)) == t * timeline.rate for t in times))
    path = tmp_path_factory.getbasetemp() / "b.fcpxml"
    FCPXML.write(timeline, path)
    read = otio.adapters.read_from_file(str(path))
    theirs = (
        next(iter(read.find_children(descended_from_type=otio.schema.Timeline)))
        if hasattr(read, "find_children")
        else read
    )
    clips = [c for track in theirs.video_tracks() for c in track if isinstance(c, otio.schema.Clip)]
    found = []
    for clip in clips:
        at = clip.range_in_parent()
        found.append((round(at.start_time.value), round(at.duration.value), round(clip.source_range.start_time.value)))
    ours = [(c.record.start, len(c.record), round(c.source_start * timeline.rate)) for c in timeline.tracks[0].clips]
    assert found == ours


@settings(max_examples=40, deadline=None)
@given(timeline=timelines(tracks=("video", "video", "audio"), markers=False))
def test_another_reader_finds_the_same_frames_at_every_rate(timeline, tmp_path_factory):
    """OpenTimelineIO's adapter takes 29.97 for 29; the parser of fcp-mcp-server counts in fractions, connected clips too."""
    path = tmp_path_factory.getbasetemp() / "c.fcpxml"
    FCPXML.write(timeline, path)
    [theirs] = parse_fcpxml(str(path)).timelines
    assert theirs.frame_rate == float(timeline.rate)
    clips = [*theirs.clips, *(clip.as_clip() for clip in theirs.connected_clips)]
    found = [(clip.start.frames, clip.duration.frames, clip.source_start.frames) for clip in clips]
    wanted = [(c.record.start, len(c.record), c.source_start * timeline.rate) for _, c in timeline.clips()]
    assert sorted(found) == sorted(wanted)


def dubbed(timeline):
    facts = MediaFacts(timeline.rate, 60, 1280, 720, 2)
    placed = [
        Placement(Path("/dub/one_dub_ab.mov").absolute(), 4, clip.record, clip.name, facts)
        for clip in timeline.tracks[0].clips
    ]
    return with_dub(timeline, placed, (), "es", "0123456789abcdef")


@settings(max_examples=40, deadline=None)
@given(timeline=timelines(tracks=("video", "video")))
def test_the_dub_is_connected_and_nothing_else_changes(timeline, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    FCPXML.write(timeline, folder / "in.fcpxml")
    with_it = dubbed(FCPXML.read(folder / "in.fcpxml"))
    FCPXML.write(with_it, folder / "out.fcpxml", like=folder / "in.fcpxml")
    assert picture(FCPXML.read(folder / "out.fcpxml")) == picture(timeline)  # dubkit's own are not read as the editor's
    root = ET.parse(folder / "out.fcpxml").getroot()
    ours = [e for e in root.iter("asset-clip") if e.get("name").startswith("Dubkit es: ")]
    assert len(ours) == len(timeline.tracks[0].clips)
    lanes = {int(e.get("lane")) for e in root.iter("asset-clip") if e.get("lane") and e not in ours}
    assert all(int(e.get("lane")) > max(lanes, default=0) for e in ours)
    [theirs] = parse_fcpxml(str(folder / "out.fcpxml")).timelines
    placed = [clip.as_clip() for clip in theirs.connected_clips if clip.name.startswith("Dubkit es: ")]
    assert sorted((c.start.frames, c.duration.frames, c.source_start.frames) for c in placed) == sorted(
        (c.record.start, len(c.record), 4) for c in timeline.tracks[0].clips
    )
    for element in ours:
        for parent in root.iter():
            if element in list(parent):
                parent.remove(element)
    FCPXML.write(with_it, folder / "again.fcpxml", like=folder / "out.fcpxml")
    FCPXML.write(with_it, folder / "once.fcpxml", like=folder / "in.fcpxml")

    def count(name):
        return sum(e.get("name", "").startswith("Dubkit") for e in ET.parse(folder / name).getroot().iter("asset-clip"))

    assert count("again.fcpxml") == count("once.fcpxml")


FOREIGN = """<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="1.11"><resources>
<format id="r1" frameDuration="1001/30000s" width="1920" height="1080"/>
<asset id="r2" name="a" start="107892000/30000s" duration="30030/30000s" hasVideo="1" hasAudio="1" audioChannels="2" format="r1"><media-rep kind="original-media" src="file:///m/a%20b.mov"/></asset>
<effect id="r3" name="Basic Title" uid=".../x.moti"/><media id="r4" name="c"/>
</resources><library><event><project name="P"><sequence format="r1" tcStart="108108000/30000s" tcFormat="DF" duration="90090/30000s"><spine>
<asset-clip ref="r2" name="whole" offset="108108000/30000s" duration="10010/30000s" start="107893001/30000s">
  <adjust-transform scale="2 2"/>
  <title ref="r3" lane="1" name="T" offset="107893001/30000s" duration="10010/30000s" start="3600s"/>
  <marker start="107894002/30000s" duration="1001/30000s" value="here" note="n"/>
  <filter-video ref="r3" name="f"/>
</asset-clip>
<transition name="x" offset="108117009/30000s" duration="2002/30000s"/>
<ref-clip ref="r4" name="compound" offset="108118010/30000s" duration="20020/30000s"/>
<clip name="inner" offset="108138030/30000s" duration="5005/30000s" start="0s"><video ref="r2" offset="0s" start="107892000/30000s" duration="30030/30000s"/></clip>
<asset-clip ref="r2" name="ramp" duration="5005/30000s"><timeMap><timept time="0s" value="0s"/><timept time="1s" value="2s"/><timept time="2s" value="3s"/></timeMap></asset-clip>
</spine></sequence></project></event></library></fcpxml>"""


def test_a_document_as_final_cut_writes_it(tmp_path):
    path = tmp_path / "foreign.fcpxml"
    path.write_text(FOREIGN)
    timeline = FCPXML.read(path)
    assert (timeline.rate, timeline.drop, timeline.timecode(0)) == (Fraction(30000, 1001), True, "01:00:03;18")
    clips = {c.name: c for t in timeline.of_kind("video") for c in t.clips}
    assert clips["whole"].record == FrameRange(0, 10) and clips["whole"].source_start == Fraction(1001, 30000)
    assert clips["whole"].media == Path("/m/a b.mov")
    assert clips["T"].without_media == GENERATOR and clips["T"].record == FrameRange(0, 10)
    assert clips["compound"].without_media == "compound clip"
    assert clips["inner"].record == FrameRange(30, 35) and clips["inner"].source_start == 0
    assert clips["ramp"].record == FrameRange(35, 40) and clips["ramp"].speed is None
    assert [(m.record.start, m.name) for m in timeline.markers] == [(1, "here")]
    with_it = with_dub(
        timeline,
        [Placement(Path("/d/x.mov").absolute(), 0, FrameRange(0, 10), "whole", MediaFacts(timeline.rate, 10, 8, 8, 2))],
        (),
        "es",
        "a" * 32,
    )
    FCPXML.write(with_it, tmp_path / "out.fcpxml", like=path)
    parent = next(e for e in ET.parse(tmp_path / "out.fcpxml").getroot().iter("asset-clip") if e.get("name") == "whole")
    assert [c.tag for c in parent] == [
        "adjust-transform",
        "title",
        "asset-clip",
        "marker",
        "filter-video",
    ]  # Apple's order
    assert ET.parse(tmp_path / "out.fcpxml").getroot().get("version") == "1.11"


def test_what_fcpxml_cannot_say_is_reported(tmp_path):
    timeline = FCPXML.read(_foreign(tmp_path))
    _, losses = through(replace(timeline, markers=()), tmp_path / "out.fcpxml")
    assert [loss.split("'")[1] for loss in losses] == ["compound", "ramp", "T", "ramp"]  # the second: its sound


def _foreign(folder: Path) -> Path:
    path = folder / "foreign.fcpxml"
    path.write_text(FOREIGN)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a/>",
        "<fcpxml/>",
        FOREIGN.replace('1001/30000s" width', 'x" width'),
        FOREIGN.replace("</project>", "</project><project name='2'><sequence/></project>"),
    ],
)
def test_what_is_no_fcpxml(text, tmp_path):
    path = tmp_path / "bad.fcpxml"
    path.write_text(text)
    with pytest.raises(TimelineError):
        FCPXML.read(path)
