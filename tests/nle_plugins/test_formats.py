"""OTIO, EDL, Final Cut Pro 7 XML and AAF: back as they went, and read by readers that others wrote."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pycmx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dubkit.errors import InputError
from dubkit.nle.plugins import discover, format_for
from dubkit.nle.result import Placement, with_dub
from dubkit.nle.timeline import Clip, Marker, MediaFacts, Timeline, TimelineError, Track
from dubkit.timing import Timecode, nominal
from dubkit.types import FrameRange
from tests.nle.timelines import picture, timelines

OTIO, EDL, FCP7, AAF = (format_for(Path(f"x.{suffix}")) for suffix in ("otio", "edl", "xml", "aaf"))
NTSC_AND_WHOLE = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SPEEDS = (Fraction(1), Fraction(1, 2), Fraction(2), Fraction(3, 4))


def dubbed(timeline: Timeline) -> Timeline:
    facts = MediaFacts(timeline.rate, 5000, 1280, 720, 2)
    placed = [
        Placement(Path("/dub/one_dub_ab.mov").absolute(), 4, clip.record, clip.name, facts)
        for clip in timeline.tracks[0].clips
    ]
    markers = (Marker(FrameRange(1, 2), "Dubkit: look here", "too long", added=True),)
    return with_dub(timeline, placed, markers, "es", "0123456789abcdef")


def test_discovery_imports_nothing_and_names_what_there_is():
    found = discover()
    assert {"otio", "fcpxml", "edl", "fcp7xml", "aaf", "resolve"} <= set(found)
    assert all(plugin.about for plugin in found.values())
    with pytest.raises(InputError, match=r"no timeline format .* knows: \.aaf, \.edl"):
        format_for(Path("x.prproj"))


def test_plugins_of_others_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "plugin.json").write_text(
        '{"schema": "dubkit.nle_plugin/1", "name": "mine", "about": "x", "module": "code", "suffixes": [".mine"]}'
    )
    (folder / "code.py").write_text("import surely_not_installed_xyz\n")
    monkeypatch.setenv("DUBKIT_NLE_PLUGINS", str(tmp_path))
    plugin = format_for(Path("a.MINE"))
    from dubkit.errors import EngineUnavailable

    with pytest.raises(EngineUnavailable, match="surely_not_installed_xyz"):
        plugin.load()
    (folder / "plugin.json").write_text(
        '{"schema": "dubkit.nle_plugin/1", "name": "../x", "about": "x", "module": "code"}'
    )
    with pytest.raises(InputError, match="Python names"):
        discover()


# --------------------------------------------------------------------------------------------------------------- OTIO


@NTSC_AND_WHOLE
@given(timeline=timelines(speeds=SPEEDS))
def test_otio_back_as_it_went(timeline, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "a.otio"
    OTIO.write(timeline, path)
    bare = lambda clip: replace(clip, facts=MediaFacts(clip.facts.rate, clip.facts.frames))  # noqa: E731 - OTIO says no more
    tracks = tuple(replace(t, clips=tuple(bare(c) for c in t.clips)) for t in timeline.tracks)
    assert OTIO.read(path) == replace(timeline, tracks=tracks)


@NTSC_AND_WHOLE
@given(timeline=timelines(speeds=SPEEDS))
def test_otio_read_by_opentimelineio_alone(timeline, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "b.otio"
    OTIO.write(dubbed(timeline), path)
    document = otio.adapters.read_from_file(str(path))
    start = document.global_start_time
    assert (start.value, start.rate) == (timeline.start, float(timeline.rate))
    kinds = [track.kind for track in document.tracks]
    assert kinds == ["Video", "Video", "Video", "Audio", "Audio"]
    for ours, theirs in zip(dubbed(timeline).tracks, document.tracks, strict=True):
        clips = [clip for clip in theirs if isinstance(clip, otio.schema.Clip)]
        found = [clip.range_in_parent() for clip in clips]
        assert [(r.start_time.value, r.duration.value) for r in found] == [
            (c.record.start, len(c.record)) for c in ours.clips
        ]
        assert all(
            clip.media_reference.target_url == c.media.as_posix() for clip, c in zip(clips, ours.clips, strict=True)
        )


def test_the_original_document_is_kept_to_the_letter(tmp_path):
    rate = 24000 / 1001
    time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    document = otio.schema.Timeline("edit", global_start_time=time(86400, rate), metadata={"studio": {"any": [1, 2]}})
    track = otio.schema.Track("Video 1")
    clip = otio.schema.Clip(
        "a",
        otio.schema.ExternalReference("file:///m/a%20b.mov", span(time(86400, rate), time(500, rate))),
        span(time(86410, rate), time(20, rate)),
    )
    clip.effects.append(otio.schema.Effect("glow", "Glow", {"Resolve_OTIO": {"x": 1.5}}))
    clip.markers.append(otio.schema.Marker("mine", span(time(86412, rate), time(1, rate))))
    track.extend(
        [clip, otio.schema.Transition("x", in_offset=time(3, rate), out_offset=time(3, rate)), clip.deepcopy()]
    )
    document.tracks.append(track)
    document.tracks.append(otio.schema.Track("Subs", kind="Subtitle"))
    path = tmp_path / "in.otio"
    otio.adapters.write_to_file(document, str(path))
    timeline = OTIO.read(path)
    [first, second] = timeline.tracks[0].clips
    assert (
        first.media == Path("/m/a b.mov")
        and first.source_start == Fraction(10 * 1001, 24000)
        and second.record == FrameRange(20, 40)
    )
    assert first.effects == ("Glow",) and first.markers[0].record == FrameRange(2, 3)
    OTIO.write(dubbed(timeline), tmp_path / "out.otio", like=path)
    OTIO.write(
        dubbed(OTIO.read(tmp_path / "out.otio").without_ours()), tmp_path / "again.otio", like=tmp_path / "out.otio"
    )
    out, again = (otio.adapters.read_from_file(str(tmp_path / name)) for name in ("out.otio", "again.otio"))
    assert out.is_equivalent_to(again)
    assert out.tracks[1].metadata["dubkit"]["added"] and out.tracks[1][0].media_reference.target_url.startswith(
        "file:///"
    )
    stripped = out.deepcopy()
    for theirs in [t for t in stripped.tracks if "dubkit" in t.metadata]:
        stripped.tracks.remove(theirs)
    del stripped.tracks.markers[:]
    del stripped.metadata["dubkit"]
    assert stripped.is_equivalent_to(document)


def test_media_rate_differs_from_the_timelines(tmp_path):
    time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    document = otio.schema.Timeline("edit", global_start_time=time(0, 25))
    clip = otio.schema.Clip("a", otio.schema.ExternalReference("a.mov"), span(time(30, 29.97), time(60, 29.97)))
    document.tracks.append(otio.schema.Track("V", [clip]))
    otio.adapters.write_to_file(document, str(tmp_path / "x.otio"))
    [read] = OTIO.read(tmp_path / "x.otio").tracks[0].clips
    assert (read.media, read.source_start, read.record) == (
        tmp_path / "a.mov",
        30 / Fraction(30000, 1001),
        FrameRange(0, 50),
    )


# ---------------------------------------------------------------------------------------------------------------- EDL


@NTSC_AND_WHOLE
@given(timeline=timelines(tracks=("video", "audio"), speeds=(Fraction(1), Fraction(1, 2), Fraction(2))))
def test_edl_back_as_it_went(timeline, tmp_path_factory):
    timeline = _within_a_day(timeline)
    path = tmp_path_factory.getbasetemp() / "a.edl"
    EDL.write(timeline, path)
    back = EDL.read(path, rate=timeline.rate)
    assert back.drop == timeline.drop
    assert [(a, b, c, d) for a, b, c, d, _ in picture(back)] == [(a, b, c, d) for a, b, c, d, _ in picture(timeline)]
    for ours, theirs in zip(
        sorted(timeline.tracks[0].clips, key=lambda c: c.record), back.of_kind("video")[0].clips, strict=True
    ):
        if len(ours.record) * ours.speed == round(len(ours.record) * ours.speed):  # else the list can only round it
            assert theirs.speed == ours.speed


@NTSC_AND_WHOLE
@given(timeline=timelines(tracks=("video",), markers=False))
def test_edl_read_by_opentimelineio(timeline, tmp_path_factory):
    """At every rate, drop-frame too. Its adapter is told the rate, and cannot read retimes at 29.97 and 59.94."""
    timeline = _within_a_day(timeline)
    path = tmp_path_factory.getbasetemp() / "b.edl"
    EDL.write(timeline, path)
    document = otio.adapters.read_from_file(str(path), rate=float(timeline.rate))
    clips = [clip for clip in document.tracks[0] if isinstance(clip, otio.schema.Clip)]
    ours = timeline.tracks[0].clips
    start = ours[0].record.start
    found = [
        (round(c.range_in_parent().start_time.value), round(c.duration().value), round(c.source_range.start_time.value))
        for c in clips
    ]
    assert found == [(c.record.start - start, len(c.record), round(c.source_start * timeline.rate)) for c in ours]


@NTSC_AND_WHOLE
@given(timeline=timelines(tracks=("video",), speeds=(Fraction(1), Fraction(1, 2), Fraction(2)), markers=False))
def test_retimed_edl_read_by_pycmx(timeline, tmp_path_factory):
    """Its parser knows no rates, so OpenTimelineIO's timecodes say what frames they are."""
    timeline = _within_a_day(timeline)
    path = tmp_path_factory.getbasetemp() / "c.edl"
    EDL.write(timeline, path)
    rate = float(timeline.rate)
    frames = lambda code: round(otio.opentime.from_timecode(code, rate).value)  # noqa: E731
    with path.open(encoding="utf-8") as file:
        edits = [event.edits[0] for event in pycmx.parse_cmx3600(file).events]
    found = [tuple(map(frames, (e.record_in, e.record_out, e.source_in, e.source_out))) for e in edits]
    assert len(found) == len(timeline.tracks[0].clips)
    for clip, (start, stop, first, last) in zip(timeline.tracks[0].clips, found, strict=True):
        assert (start - timeline.start, stop - timeline.start) == (clip.record.start, clip.record.stop)
        assert first == round(clip.source_start * timeline.rate)
        assert abs(last - first - len(clip.record) * clip.speed) < 1  # a list can only round half a frame


@NTSC_AND_WHOLE
@given(data=st.data(), rate=st.sampled_from([Fraction(30000, 1001), Fraction(60000, 1001)]))
def test_drop_frame_codes_are_those_of_opentimelineio(data, rate):
    frame = data.draw(st.integers(0, 23 * 3600 * 29))
    code = str(Timecode(frame, rate, True))
    assert otio.opentime.to_timecode(otio.opentime.RationalTime(frame, float(rate)), float(rate), True) == code
    assert round(otio.opentime.from_timecode(code, float(rate)).value) == frame == Timecode.parse(code, rate).frame


def _within_a_day(timeline: Timeline) -> Timeline:
    return replace(timeline, start=timeline.start % (nominal(timeline.rate) * 3600 * 12))


FOREIGN_EDL = """TITLE: reel one
FCM: DROP FRAME

001  A001C002 V     C        01:00:10:00 01:00:12:00 01:00:00:00 01:00:02:00
* FROM CLIP NAME: a.mov
002  BL       V     C        00:00:00:00 00:00:01:00 01:00:02:00 01:00:03:00
003  A001C003 B     D    024 00:00:01:00 00:00:02:00 01:00:03:00 01:00:04:00
M2   A001C003       059.9                00:00:01:00
* SOURCE FILE: /m/b.mov
004  AX       NONE  C        00:00:01:00 00:00:02:00 01:00:04:00 01:00:05:00
* LOC: 01:00:01:00 CYAN   check this
"""


def test_an_edl_as_others_write_it(tmp_path):
    path = tmp_path / "x.edl"
    path.write_text(FOREIGN_EDL)
    timeline = EDL.read(path, rate=Fraction(30000, 1001))
    assert timeline.drop and timeline.start == 107892 and timeline.name == "reel one"
    a, black, b = timeline.of_kind("video")[0].clips
    assert a.media == tmp_path / "a.mov" and a.record == FrameRange(0, 60)
    assert black.media is None and b.media == Path("/m/b.mov") and b.speed == 2
    assert timeline.of_kind("audio")[0].clips[0].record == b.record
    assert (timeline.markers[0].record.start, timeline.markers[0].name, timeline.markers[0].color) == (
        30,
        "check this",
        "CYAN",
    )
    with pytest.raises(TimelineError, match="does not say its frame rate"):
        EDL.read(path)
    path.write_text(FOREIGN_EDL.replace("01:00:12:00", "01:00:12:31"))
    with pytest.raises(TimelineError, match="line 4: timecode"):
        EDL.read(path, rate=Fraction(30000, 1001))
    path.write_text("hello")
    with pytest.raises(TimelineError, match="no events"):
        EDL.read(path, rate=Fraction(25))


def test_the_dub_of_an_edl_is_a_list_of_its_own(tmp_path):
    clip = Clip(
        "a\n002  AX V C 00:00:00:00",
        FrameRange(0, 25),
        Path("/m/a.mov").absolute(),
        facts=MediaFacts(Fraction(25), 100),
    )
    timeline = Timeline("t\nFCM: DROP FRAME", Fraction(25), (Track("video", "V", (clip,)),), 90000)
    losses = EDL.write(dubbed(timeline), tmp_path / "d.edl")
    assert "lay this list over the original" in losses[0]
    back = EDL.read(tmp_path / "d.edl", rate=Fraction(25))
    assert [(c.media.name, c.record, c.source_start) for t in back.tracks for c in t.clips] == 2 * [
        ("one_dub_ab.mov", FrameRange(0, 25), Fraction(4, 25))
    ]
    assert [m.name for m in back.markers] == ["Dubkit: look here too long"]


# ---------------------------------------------------------------------------------------------- Final Cut Pro 7 and AAF


@NTSC_AND_WHOLE
@given(timeline=timelines())
def test_fcp7_back_as_it_went(timeline, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    assert not FCP7.write(timeline, folder / "a.xml")
    back = FCP7.read(folder / "a.xml")
    assert (back.rate, back.start, back.drop) == (timeline.rate, timeline.start, timeline.drop)
    assert picture(back) == picture(timeline)
    FCP7.write(dubbed(back), folder / "b.xml", like=folder / "a.xml")
    FCP7.write(dubbed(FCP7.read(folder / "b.xml")), folder / "c.xml", like=folder / "b.xml")
    assert (folder / "b.xml").read_text() == (folder / "c.xml").read_text()  # earlier tracks of dubkit are replaced
    assert FCP7.read(folder / "b.xml") == back  # and are not taken for the editor's own
    document = otio.adapters.read_from_file(str(folder / "b.xml"), adapter_name="fcp_xml")
    document = document if isinstance(document, otio.schema.Timeline) else document[0]
    theirs = [t for t in document.video_tracks()][-1]
    found = [(round(c.range_in_parent().start_time.value), round(c.duration().value), round(c.source_range.start_time.value))
             for c in theirs if isinstance(c, otio.schema.Clip)]  # fmt: skip
    assert found == [(c.record.start, len(c.record), 4) for c in timeline.tracks[0].clips]


def test_fcp7_retimes_are_refused_not_lost(tmp_path):
    timeline = Timeline(
        "t",
        Fraction(25),
        (
            Track(
                "video",
                "V",
                (Clip("a", FrameRange(0, 25), Path("/m/a.mov").absolute(), facts=MediaFacts(Fraction(25), 100)),),
            ),
        ),
    )
    FCP7.write(timeline, tmp_path / "a.xml")
    remap = "<filter><effect><name>Time Remap</name><effectid>timeremap</effectid><effecttype>motion</effecttype><parameter><parameterid>speed</parameterid><value>50</value></parameter></effect></filter>"
    text = (tmp_path / "a.xml").read_text().replace("</clipitem>", remap + "</clipitem>")
    (tmp_path / "b.xml").write_text(text)
    assert FCP7.read(tmp_path / "b.xml").tracks[0].clips[0].speed is None
    slow = replace(timeline.tracks[0].clips[0], speed=Fraction(1, 2))
    assert FCP7.write(replace(timeline, tracks=(Track("video", "V", (slow,)),)), tmp_path / "c.xml") == [
        "the speed of 'a'"
    ]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(timeline=timelines(tracks=("video", "audio"), markers=False))
def test_aaf_holds_the_dub(timeline, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "a.aaf"
    losses = AAF.write(dubbed(timeline), path)
    assert "lay these tracks over" in losses[0] and losses[1] == "1 markers"
    back = AAF.read(path)
    assert back.rate == timeline.rate and back.start == timeline.start
    wanted = [(c.record, Fraction(4) / timeline.rate) for c in timeline.tracks[0].clips]
    assert [(c.record, c.source_start) for c in back.of_kind("video")[0].clips] == wanted


def test_aaf_refuses_what_it_would_lose(tmp_path):
    clip = Clip(
        "a", FrameRange(0, 25), Path("/m/a.mov").absolute(), speed=Fraction(2), facts=MediaFacts(Fraction(25), 100)
    )
    with pytest.raises(TimelineError, match="use .otio"):
        AAF.write(Timeline("t", Fraction(25), (Track("video", "V", (clip,)),)), tmp_path / "a.aaf")
    (tmp_path / "bad.aaf").write_text("no")
    with pytest.raises(TimelineError, match="cannot be read as AAF"):
        AAF.read(tmp_path / "bad.aaf")
