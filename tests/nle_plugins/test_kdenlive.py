"""Kdenlive projects: back as they went, read and rendered by MLT itself, and added to projects that Kdenlive wrote."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from dubkit.nle.dub import Order, dub_file
from dubkit.nle.plugins import format_for
from dubkit.nle.result import Placement, with_dub
from dubkit.nle.script import Script
from dubkit.nle.sound import read_sound, write_wav
from dubkit.nle.timeline import Clip, Marker, MediaFacts, Timeline, TimelineError, Track
from dubkit.nle.uses import GENERATOR
from dubkit.types import FrameRange
from tests.fakes.dubber import FakeDubber
from tests.fakes.films import make_film, numbers, ramp, sample_numbers
from tests.nle.timelines import timelines

KDENLIVE = format_for(Path("x.kdenlive"))
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # each example starts a program
SPEEDS = (Fraction(1), Fraction(1, 2), Fraction(2))
melt = pytest.mark.skipif(shutil.which("melt") is None, reason="melt is not installed (Debian: apt-get install melt)")


def run_melt(*arguments: object) -> None:
    """MLT's blends are drawn by Qt, which wants to be told that there is no screen. MLT 7.12 stands still now and then on a
    busy machine, with the same project that it renders in seconds when asked again."""
    environment = os.environ | {"DISPLAY": os.environ.get("DISPLAY", ":0"), "QT_QPA_PLATFORM": "offscreen"}
    for left in (2, 1, 0):
        try:
            command = ["melt", *map(str, arguments)]
            subprocess.run(command, check=True, capture_output=True, env=environment, timeout=100)
            return
        except subprocess.TimeoutExpired:
            if not left:
                raise


def seen(timeline: Timeline) -> list[list[tuple]]:
    return [[(c.media, c.record, c.speed) for c in t.clips] for t in timeline.tracks]


@settings(max_examples=60, deadline=None)
@given(timeline=timelines(speeds=SPEEDS))
def test_back_as_it_went(timeline, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "a.kdenlive"
    losses = KDENLIVE.write(timeline, path)
    assert losses == (
        [f"the start {timeline.timecode(0)}: a Kdenlive project begins at zero"] if timeline.start else []
    )
    back = KDENLIVE.read(path)
    assert (back.rate, back.start) == (timeline.rate, 0) and seen(back) == seen(timeline)
    assert [t.name for t in back.tracks] == [t.name for t in timeline.tracks]
    for ours, theirs in zip(timeline.clips(), back.clips(), strict=True):
        off = abs(ours[1].source_start - theirs[1].source_start) * timeline.rate
        assert off <= ours[1].speed / 2  # MLT counts whole frames of the retimed clip
        assert off == 0 or ours[1].speed != 1
    assert [(m.record, m.name) for m in back.markers] == [(m.record, f"{m.name}: {m.note}") for m in timeline.markers]


@melt
@pytest.mark.timeout(1800)  # a busy machine is no failure
@settings(max_examples=5, deadline=None, phases=NO_SHRINKING, suppress_health_check=[HealthCheck.too_slow])
@given(timeline=timelines(speeds=SPEEDS, tracks=("video", "video"), markers=False))
def test_mlt_shows_the_same_frames(timeline, tmp_path_factory):
    """Any project, rendered by MLT: at every frame the number that the topmost clip's media carries there."""
    folder, rate = tmp_path_factory.getbasetemp(), timeline.rate
    film = folder / f"film ñ & {rate.numerator} of {rate.denominator}.mov"
    if not film.is_file():
        make_film(film, rate, 400, sound=False)
    wanted: dict[int, Fraction] = {}
    tracks = []
    for track in timeline.tracks:
        clips = []
        for clip in track.clips:
            source = clip.source_start * rate % 200 / clip.speed
            facts = MediaFacts(rate, 400, 256, 128)
            clips.append(replace(clip, media=film, source_start=round(source) * clip.speed / rate, facts=facts))
            frames = range(clip.record.start, clip.record.stop)
            wanted |= {f: timeline.source_time(clips[-1], f) * rate for f in frames}
        tracks.append(replace(track, clips=tuple(clips)))
    timeline = replace(timeline, tracks=tuple(tracks))
    KDENLIVE.write(timeline, folder / "b.kdenlive")
    run_melt(folder / "b.kdenlive", "-consumer", f"avformat:{folder / 'b.mkv'}", "vcodec=ffv1", "an=1", "real_time=-1")
    shown = numbers(folder / "b.mkv")
    assert len(shown) == timeline.duration
    assert all(shown[f] == n if n.denominator == 1 else abs(shown[f] - n) <= 1 for f, n in wanted.items())
    assert {shown[f] for f in range(len(shown)) if f not in wanted} <= {0}  # black between them


NINE = [(10, 8), (18, 6), (60, 9), (30, 7), (45, 5), (80, 10), (5, 6), (70, 6), (40, 8)]  # first frame, length
SLOW = 7


def nine_clips(film: Path, rate: Fraction) -> Timeline:
    """Nine clips with gaps, one at half speed, heard on an audio track of their own."""
    clips, at, facts = [], 2, MediaFacts(rate, 100, 256, 128, 2)
    for n, (first, length) in enumerate(NINE):
        speed = Fraction(1, 2) if n == SLOW else Fraction(1)
        clips.append(Clip(f"shot {n}", FrameRange(at, at + length), film, first / rate, speed, facts=facts))
        at += length + (3 if n in (2, 5) else 0)
    return Timeline("edit", rate, (Track("video", "V1", tuple(clips)), Track("audio", "A1", tuple(clips))))


@melt
@pytest.mark.parametrize("rate", [Fraction(25), *(Fraction(n * 1000, 1001) for n in (24, 30, 60))], ids=str)
def test_a_dubbed_project_rendered_by_mlt(rate, tmp_path):
    """Every frame that MLT renders of the dub's own tracks is the frame that it renders of the original."""
    film = make_film(tmp_path / "film & ñ.mov", rate, 100)
    KDENLIVE.write(nine_clips(film, rate), tmp_path / "in.kdenlive")
    write_wav(tmp_path / "es.wav", ramp(0, int(100 / rate * 48000), 1))
    order = Order("es", Script(dialogue=tmp_path / "es.wav"), handles=4)
    result = dub_file(tmp_path / "in.kdenlive", tmp_path / "out.kdenlive", order, FakeDubber())
    assert len(result.placed) == 9 and not result.refusals and not result.losses
    original, dub = (tmp_path / name for name in ("original.mov", "dub.mov"))
    hide(tmp_path / "out.kdenlive", tmp_path / "dub.kdenlive", lambda name: not name.startswith("Dubkit "))
    for project, film_of in ((tmp_path / "in.kdenlive", original), (tmp_path / "dub.kdenlive", dub)):
        run_melt(project, "-consumer", f"avformat:{film_of}", "vcodec=ffv1", "acodec=pcm_s24le", "real_time=-1")
    shown, wanted = numbers(dub), numbers(original)
    assert len(shown) == len(wanted)
    for n, clip in enumerate(nine_clips(film, rate).tracks[0].clips):
        span = slice(clip.record.start, clip.record.stop)
        if n == SLOW:  # MLT rounds half a frame up, dubkit shows the frame that has begun
            assert all(abs(a - b) <= 1 for a, b in zip(shown[span], wanted[span], strict=True))
        else:
            assert shown[span] == wanted[span] == list(range(NINE[n][0], NINE[n][0] + NINE[n][1]))
        middle = round((clip.record.start + clip.record.stop) / 2 / rate * 48000)
        heard = read_sound(dub, Fraction(middle, 48000), Fraction(64, 48000), 2)
        off = np.abs(sample_numbers(heard) - np.arange(middle, middle + 64) % 65536).max()
        assert off <= 48000 / rate / 4  # MLT seeks sound to within a few milliseconds
    assert KDENLIVE.read(tmp_path / "out.kdenlive").without_ours() == replace(
        KDENLIVE.read(tmp_path / "in.kdenlive"), name="out"
    )


def hide(source: Path, output: Path, wanted) -> None:
    """The project with some tracks switched off."""
    root = ET.parse(source).getroot()
    for tractor in root.findall("tractor"):
        name = tractor.find("property[@name='kdenlive:track_name']")
        if name is not None and wanted(name.text):
            for track in tractor.findall("track"):
                track.set("hide", "both")
    ET.ElementTree(root).write(output, "utf-8")


# ----------------------------------------------------------------------------- projects as Kdenlive itself writes them

PROFILE = '<profile frame_rate_num="25" frame_rate_den="1" width="1280" height="720"/>'


def clip_xml(name: str, service: str, resource: str, number: int, **more: str) -> str:
    given = {"resource": resource, "mlt_service": service, "kdenlive:id": number} | more
    inside = "".join(f'<property name="{k}">{v}</property>' for k, v in given.items())
    return f'<chain id="{name}" out="00:00:39.960">{inside}</chain>'


def track_xml(number: int, entries: str, other: str = "", audio: bool = False, name: str = "") -> str:
    sort = '<property name="kdenlive:audio_track">1</property>' if audio else ""
    hide = "video" if audio else "audio"
    return f"""<playlist id="p{number}a">{sort}{entries}</playlist><playlist id="p{number}b">{sort}{other}</playlist>
<tractor id="t{number}">{sort}<property name="kdenlive:track_name">{name}</property>
<track hide="{hide}" producer="p{number}a"/><track hide="{hide}" producer="p{number}b"/></tractor>"""


def blend(service: str, track: int, internal: bool = True) -> str:
    own = '<property name="internal_added">237</property>' if internal else ""
    return f"""<transition><property name="a_track">{0 if internal else 2}</property><property name="b_track">{track}</property>
<property name="mlt_service">{service}</property>{own}</transition>"""


def entry(producer: str, first: float, last: float) -> str:
    return f'<entry producer="{producer}" in="00:00:{first:06.3f}" out="00:00:{last:06.3f}"/>'


def blank(seconds: float) -> str:
    return f'<blank length="00:00:{seconds:06.3f}"/>'


GROUPS = json.dumps([{"children": [{"data": "1:0", "leaf": "clip", "type": "Leaf"}, {"data": "0:0", "leaf": "clip", "type": "Leaf"}],
                      "type": "AVSplit"}])  # fmt: skip


def project_xml(sequences: bool) -> str:
    """One audio track, two video tracks, a mix, a title, guides, a group, targets; as one sequence of two, or as all there is."""
    scope = "sequenceproperties" if sequences else "docproperties"
    lists = f"""<property name="kdenlive:{scope}.groups">{GROUPS}</property>
<property name="kdenlive:{scope}.guides">[{{"comment": "mine", "pos": 3, "type": 1}}]</property>
<property name="kdenlive:{scope}.audioTarget">0</property><property name="kdenlive:{scope}.videoTarget">1</property>
<property name="kdenlive:{scope}.activeTrack">2</property>"""
    active = '<property name="kdenlive:docproperties.activetimeline">{one}</property>' if sequences else ""
    head = f"""<mlt root="/media" producer="main_bin">{PROFILE}
{clip_xml("c1", "avformat", "a.mov", 2, **{"kdenlive:proxy": "/proxies/a.mp4", "kdenlive:originalurl": "/media/a.mov"})}
<playlist id="main_bin">{active}{"" if sequences else lists}<entry producer="c1"/></playlist>
<producer id="black"><property name="mlt_service">color</property></producer>
{clip_xml("c2", "avformat-novalidate", "/proxies/a.mp4", 2)}
{clip_xml("c3", "timewarp", "2:b.mov", 3, warp_speed="2", warp_resource="b.mov")}
{clip_xml("c4", "kdenlivetitle", "", 4)}{clip_xml("c5", "qimage", "/p.png", 5)}
<chain id="c6" out="99"><property name="resource">b.mov</property><property name="mlt_service">avformat</property>
<link><property name="mlt_service">timeremap</property></link></chain>"""
    v1 = track_xml(
        2,
        entry("c2", 1, 2.96) + blank(1) + entry("c3", 2, 2.96),
        blank(1.56) + entry("c2", 10, 11.4) + blank(1.04) + entry("c6", 0, 0.96) + entry("c5", 0, 0.96),
        name="V1",
    )
    v2 = track_xml(
        3, blank(0.4) + entry("c4", 0, 0.4) + blank(5) + (entry("{two}", 0, 0.96) if sequences else ""), name=""
    )
    tracks = track_xml(1, entry("c2", 1, 2.96), audio=True, name="A1") + v1 + v2
    inside = f"""<track producer="black"/><track producer="t1"/><track producer="t2"/><track producer="t3"/>
{blend("mix", 1)}{blend("qtblend", 2)}{blend("qtblend", 3)}{blend("affine", 3, internal=False)}"""
    if not sequences:
        return f'{head}{tracks}<tractor id="all" out="300">{inside}</tractor></mlt>'
    other = f'{track_xml(9, entry("c2", 0, 1), name="other")}<tractor id="{{two}}"><property name="kdenlive:uuid">{{two}}</property><track producer="black"/><track producer="t9"/></tractor>'
    main = f"""<tractor id="{{one}}"><property name="kdenlive:uuid">{{one}}</property><property name="kdenlive:clipname">Main</property>
<property name="kdenlive:sequenceproperties.tracksCount">3</property>{lists}{inside}</tractor>"""
    last = (
        '<tractor id="whole"><property name="kdenlive:projectTractor">1</property><track producer="{one}"/></tractor>'
    )
    return f"{head}{other}{tracks}{main}{last}</mlt>"


@pytest.mark.parametrize("sequences", [False, True], ids=["22.12", "23.04"])
def test_what_kdenlive_writes_is_understood(sequences, tmp_path):
    path = tmp_path / "edit.kdenlive"
    path.write_text(project_xml(sequences))
    timeline = KDENLIVE.read(path)
    assert (timeline.name, timeline.rate) == ("Main" if sequences else "edit", 25)
    assert [(t.kind, t.name) for t in timeline.tracks] == [("video", "V1"), ("video", ""), ("audio", "A1")]
    first, mixed, ramped, picture, fast = sorted(timeline.tracks[0].clips, key=lambda c: (c.record, c.name))[:2] + [
        next(c for c in timeline.tracks[0].clips if test(c))
        for test in (lambda c: c.speed is None, lambda c: c.without_media == "still picture", lambda c: c.speed == 2)
    ]
    assert first.media == Path("/media/a.mov")  # not its proxy
    assert (first.record, first.source_start) == (
        FrameRange(0, 44),
        1,
    )  # mixed from frame 39 to 50: the cut lies between
    assert (mixed.record, mixed.source_start) == (FrameRange(44, 75), 10 + Fraction(5, 25))
    assert (fast.media, fast.source_start) == (Path("/media/b.mov"), 4)
    assert ramped.speed is None and picture.media is None
    title, *nested = timeline.tracks[1].clips
    assert title.without_media == GENERATOR and title.record == FrameRange(10, 21)
    assert [c.without_media for c in nested] == (["nested sequence"] if sequences else [])
    assert timeline.markers == (Marker(FrameRange(3, 4), "mine", color="BLUE"),)


@pytest.mark.parametrize("sequences", [False, True], ids=["22.12", "23.04"])
def test_the_dub_is_added_and_nothing_else_changes(sequences, tmp_path):
    source, once, twice = (tmp_path / f"{name}.kdenlive" for name in ("in", "once", "twice"))
    source.write_text(project_xml(sequences))
    timeline = KDENLIVE.read(source)
    facts = MediaFacts(timeline.rate, 60, 1280, 720, 2)
    placed = [Placement(Path("/dub/one_dub_ab.mov"), 4, FrameRange(0, 39), "one", facts)]
    notes = (Marker(FrameRange(3, 4), "Dubkit: look here", "too long", "RED", added=True),)
    KDENLIVE.write(with_dub(timeline, placed, notes, "es", "0123456789abcdef"), once, like=source)
    root = ET.parse(once).getroot()
    sequence = next(t for t in root.findall("tractor") if t.get("id") in ("{one}", "all"))
    tracks = [t.get("producer") for t in sequence.findall("track")]
    assert (
        tracks[0] == "black" and tracks[2:5] == ["t1", "t2", "t3"] and len(tracks) == 6
    )  # sound below, picture on top
    ends = [
        (get(t, "mlt_service"), int(get(t, "a_track")), int(get(t, "b_track"))) for t in sequence.findall("transition")
    ]
    assert sorted(ends) == [
        ("affine", 3, 4),
        ("mix", 0, 1),
        ("mix", 0, 2),
        ("qtblend", 0, 3),
        ("qtblend", 0, 4),
        ("qtblend", 0, 5),
    ]
    home = sequence if sequences else root.find("playlist[@id='main_bin']")
    scope = "sequenceproperties" if sequences else "docproperties"
    mine, ours = json.loads(get(home, f"kdenlive:{scope}.groups"))
    assert [leaf["data"] for leaf in mine["children"]] == ["2:0", "1:0"]
    assert [leaf["data"] for leaf in ours["children"]] == ["4:0", "0:0"]
    assert [get(home, f"kdenlive:{scope}.{n}") for n in ("audioTarget", "videoTarget", "activeTrack")] == [
        "1",
        "2",
        "3",
    ]
    assert [(g["comment"], g["pos"]) for g in json.loads(get(home, f"kdenlive:{scope}.guides"))] == [
        ("mine", 3), ("Dubkit: look here: too long", 4),
    ]  # fmt: skip
    if sequences:
        assert get(sequence, "kdenlive:sequenceproperties.tracksCount") == "5"
    back = KDENLIVE.read(once)
    assert replace(back.without_ours(), name=timeline.name) == timeline
    assert {(t.kind, c.media, c.record, c.source_start) for t in back.tracks if t.ours for c in t.clips} == {
        (kind, Path("/dub/one_dub_ab.mov"), FrameRange(0, 39), Fraction(4, 25)) for kind in ("video", "audio")
    }
    KDENLIVE.write(with_dub(back, placed, notes, "es", "0123456789abcdef"), twice, like=once)
    assert plain(twice) == plain(once)  # what an earlier run placed is replaced
    nothing = replace(with_dub(back, [], (), "es", "0" * 16))
    KDENLIVE.write(nothing, twice, like=once)
    KDENLIVE.write(nothing, once, like=source)
    assert plain(twice) == plain(once)  # and leaves nothing behind


def get(element: ET.Element, name: str) -> str:
    return element.findtext(f"property[@name='{name}']") or ""


def plain(path: Path) -> list:
    """A project without the names that were made up for its parts."""
    root = copy.deepcopy(ET.parse(path).getroot())
    names = {e.get("id"): f"n{i}" for i, e in enumerate(e for e in root.iter() if e.get("id"))}
    for element in root.iter():
        for key in ("id", "producer"):
            if element.get(key) in names:
                element.set(key, names[element.get(key)])
    return [(e.tag, sorted(e.attrib.items()), (e.text or "").strip()) for e in root.iter()]


def test_what_is_no_project_is_refused(tmp_path):
    path = tmp_path / "x.kdenlive"
    for text in ("hello", "<mlt/>", "<xml><profile/></xml>"):
        path.write_text(text)
        with pytest.raises(TimelineError, match="x.kdenlive"):
            KDENLIVE.read(path)
    path.write_text(project_xml(True).replace("activetimeline", "nothing"))
    with pytest.raises(TimelineError, match="holds 2 sequences"):
        KDENLIVE.read(path)


def test_what_a_new_project_cannot_hold_is_said(tmp_path):
    made = [
        Clip("title", FrameRange(0, 5), None, without_media=GENERATOR),
        Clip("off", FrameRange(5, 9), Path("/a.mov").absolute(), enabled=False),
        Clip("back", FrameRange(9, 12), Path("/a.mov").absolute(), speed=Fraction(-1)),
        Clip("kept", FrameRange(12, 15), Path("/a.mov").absolute()),
    ]
    timeline = Timeline("t", Fraction(25), (Track("video", "V", tuple(made)),))
    losses = KDENLIVE.write(timeline, tmp_path / "a.kdenlive")
    assert [loss.split(":")[0] for loss in losses] == ["'title' at 00", "'off' at 00", "'back' at 00"]
    [clip] = KDENLIVE.read(tmp_path / "a.kdenlive").tracks[0].clips
    assert clip.record == FrameRange(12, 15)
