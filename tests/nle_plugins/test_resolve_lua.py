"""The shipped Lua under LuaJIT, restricted and full, against the strict fake: place, again, undo, and every mishap."""

from __future__ import annotations

import copy
import os
import shutil
from pathlib import Path

import pytest

from tests.fakes.films import make_film
from tests.fakes.resolve import Quirks
from tests.nle_plugins.desk import RATES, Desk, frame_numbers, module


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {name: make_film(folder / f"film {i} ñ.mov", rate, 100) for i, (name, (rate, _)) in enumerate(RATES.items())}


_DUBBED: dict[str, Path] = {}  # finished work by rate: what one desk has dubbed, the next need not


def desk_at(name: str, films, folder: Path, **more) -> Desk:
    desk = Desk(folder, films[name], *RATES[name], **more)
    desk.cut()
    if name in _DUBBED:
        shutil.copytree(_DUBBED[name], desk.mailbox.jobs, dirs_exist_ok=True)
    return desk


@pytest.fixture(scope="module", autouse=True)
def _no_work_left():
    yield
    _DUBBED.clear()


@pytest.mark.parametrize("restricted", [True, False], ids=["restricted", "full"])
@pytest.mark.parametrize("name", RATES)
def test_place_again_and_undo(name, restricted, films, tmp_path):
    desk = desk_at(name, films, tmp_path)
    world, before = desk.world, copy.deepcopy(desk.world.dump())
    said = desk.run(restricted=restricted)
    assert any("placed 18 clips" in line for line in said), said
    timeline = world.timeline
    [video], [audio] = (
        [t for t in timeline.of_kind(kind) if t.name.startswith("Dubkit es ")] for kind in ("video", "audio")
    )
    originals = timeline.of_kind("video")[0].items
    assert [(i.start, i.duration) for i in video.items] == [(i.start, i.duration) for i in originals]
    assert [(i.start, i.duration) for i in audio.items] == [(i.start, i.duration) for i in originals]
    for n, (placed, original) in enumerate(zip(video.items, originals, strict=True)):
        seen = frame_numbers(placed.mpi.path, placed.source, placed.duration)
        first = 0 if n == 7 else original.source  # the slow clip was rendered; its reference counts from 0
        assert seen == list(range(first, first + original.duration))
    assert all(v.link == a.link and v.link is not None for v, a in zip(video.items, audio.items, strict=True))
    assert timeline.of_kind("audio")[-1] is audio and audio.sub == "stereo"
    assert world.saves == 1 and world.page == "edit" and world.pool.current is world.pool.root
    placed_dump = copy.deepcopy(world.dump())
    assert _originals(placed_dump) == _originals(before)

    said = desk.run(restricted=restricted)
    assert said[-1].endswith("already placed; nothing was changed")
    assert world.dump() == placed_dump and len(desk.dubber.requests) == (name not in _DUBBED)
    _DUBBED[name] = desk.mailbox.jobs

    desk.run("Dubkit Undo.lua", restricted=restricted)
    assert world.dump() == before

    desk.run(restricted=restricted, serving=False)  # the finished result lies in the outbox: no worker is needed
    assert _names(world.dump()) == _names(placed_dump)


def _originals(dump):
    return [[t for t in timeline["tracks"] if not t["name"].startswith("Dubkit")] for timeline in dump["timelines"]]


def _names(dump):
    return [
        [(t["name"], [(i["start"], i["duration"]) for i in t["items"]]) for t in tl["tracks"]]
        for tl in dump["timelines"]
    ]


MISHAPS = {
    "append answers None": Quirks(append_returns="none"),
    "append answers a list of None": Quirks(append_returns="list of none"),
    "one append is dropped": Quirks(fails_at=5),
    "an item is dead": Quirks(dead_at=3),
    "clips vanish on save": Quirks(lost_on_save=2),
    "one clip is a frame short": Quirks(shorter_at=7),
    "endFrame is inclusive": Quirks(inclusive_end=True),
    "sound ignores endFrame": Quirks(audio_ignores_end=True),
    "no track": Quirks(refuses_tracks=True),
    "no track name": Quirks(refuses_names=True),
    "no marker": Quirks(refuses_markers=True),
    "locked track": Quirks(locks_new_tracks=True),
    "another timeline is opened": Quirks(other_timeline_at=4),
    "a render fails": Quirks(render_fails=True),
    "no codec for the reference": Quirks(codecs=("GoPro",)),
    "a delete fails at first": Quirks(fails_at=5, first_delete_fails=True),
}


@pytest.mark.parametrize("quirks", MISHAPS.values(), ids=MISHAPS)
def test_after_any_mishap_everything_is_as_before(quirks, films, tmp_path):
    desk = desk_at("25", films, tmp_path, quirks=copy.deepcopy(quirks))
    before = copy.deepcopy(desk.world.dump())
    said = desk.run()
    assert any("nothing was placed" in line or "no reference" in line for line in said), said
    if quirks.other_timeline_at is not None:
        desk.world.current = desk.world.timeline  # what the editor did himself
    after = desk.world.dump()
    if quirks.lost_on_save or quirks.dead_at is not None:
        assert "vanished" in said[-1] or "did not place" in said[-1] or "missing" in said[-1]
    assert after == before


def test_rollback_also_after_the_editor_opened_another_timeline(films, tmp_path):
    desk = desk_at("25", films, tmp_path, quirks=Quirks(other_timeline_at=4))
    desk.run()
    assert not [t for tl in desk.world.timelines for t in tl.tracks if t.name.startswith("Dubkit")]


@pytest.mark.parametrize("quirks", [
    Quirks(status_words="Abgeschlossen"), Quirks(overlap="push"), Quirks(selected_clips=False, marks=False, version="18.6.6.7"),
    Quirks(imports_only_dicts=True), Quirks(studio=True, version="21.1.1.3"), Quirks(codecs=("H264",)),
    Quirks(selected_clips=False, marks=False, absent="reads None"), Quirks(no_page=True),
], ids=["localised status", "pushes overlaps", "old version", "imports dicts only", "studio", "H.264 only", "absent reads None",
        "no page"])  # fmt: skip
def test_what_must_not_matter(quirks, films, tmp_path):
    desk = desk_at("29.97DF", films, tmp_path, quirks=quirks)
    assert any("placed 18 clips" in line for line in desk.run()), desk.world.dump()


def test_selection_and_marks_are_the_scope(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.world.timeline.SetMarkInOut(8, 16)  # inclusive: frames 8 to 16
    desk.run()
    [track] = [t for t in desk.world.timeline.of_kind("video") if t.name.startswith("Dubkit")]
    assert [(i.start - 90000, i.duration) for i in track.items] == [(8, 6), (14, 3)]
    desk.run("Dubkit Undo.lua")
    desk.world.timeline.of_kind("video")[0].items[3].selected = True
    desk.run()
    [track] = [t for t in desk.world.timeline.of_kind("video") if t.name.startswith("Dubkit")]
    assert [(i.start - 90000, i.duration) for i in track.items] == [(26, 7)]


@pytest.mark.parametrize("nested", ["missing", "stack"])
def test_compound_multicam_and_ramped_clips_are_rendered_and_everything_is_put_back(nested, films, tmp_path):
    """A compound or multicam clip has no file; OTIO names it as missing media or as a stack of its own."""
    desk = desk_at("25", films, tmp_path, quirks=Quirks(nested_export=nested))
    world = desk.world
    compound = type(desk.film)(world, "compound", "", 50, desk.film.rate, 2)
    world.timeline.of_kind("video")[0].items[0].mpi = compound
    world.timeline.of_kind("video")[0].items[2].speed = None
    world.page = "color"
    world.timeline.SetMarkInOut(0, 70)
    rendered = []
    world.renderer = lambda timeline, first, past, path: (
        rendered.append((first, past)),
        desk.render(timeline, first, past, path),
    )
    before = copy.deepcopy(world.dump())
    said = desk.run()
    assert any("placed 18 clips" in line for line in said), said
    assert rendered == [(90000, 90008), (90014, 90023), (90057, 90063)]
    assert not list(desk.mailbox.jobs.glob("ref_*"))  # references are not kept
    after = world.dump()
    assert (after["page"], after["render"]) == (before["page"], before["render"])
    assert after["timelines"][0]["marks"] == before["timelines"][0]["marks"]
    assert desk.run()[-1].endswith("already placed; nothing was changed")
    desk.run("Dubkit Undo.lua")
    assert world.dump() == before


def test_nobody_serves_then_a_second_run_places(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.world.timeline.of_kind("video")[0].items[7].speed = 1.0
    before = copy.deepcopy(desk.world.dump())
    said = desk.run(serving=False)
    assert "no answer yet" in said[-1] and desk.world.dump() == before
    desk.worker.step()  # the worker comes later
    assert any("placed 18 clips" in line for line in desk.run(serving=False))


def test_a_timeline_that_changed_meanwhile_is_left_alone(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.world.timeline.of_kind("video")[0].items[7].speed = 1.0
    host = desk.host()

    def edit() -> None:
        desk.worker.step()
        desk.world.timeline.of_kind("video")[0].items[0].duration = 7

    host.on_wait = edit
    said = host.run(desk.scripts / "Dubkit.lua")
    assert "the timeline has changed" in said[-1]
    assert not [t for t in desk.world.timeline.tracks if t.name.startswith("Dubkit")]


def test_what_the_editor_trims_on_our_track_is_his(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.run()
    [track] = [t for t in desk.world.timeline.of_kind("video") if t.name.startswith("Dubkit")]
    track.items[2].duration -= 1
    trimmed = copy.deepcopy(desk.world.dump())
    assert desk.run()[-1].endswith("already placed; nothing was changed")
    assert desk.world.dump() == trimmed
    desk.world.timeline.tracks = [t for t in desk.world.timeline.tracks if not t.name.startswith("Dubkit")]
    assert any("placed 18 clips" in line for line in desk.run())  # the tracks were deleted by hand, the marker was left


def test_undo_keeps_what_the_editor_put_on_our_track(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.run()
    [track] = [t for t in desk.world.timeline.of_kind("video") if t.name.startswith("Dubkit")]
    mine = desk.world.put(track, 500, 10, desk.film, 0, "mine")
    said = desk.run("Dubkit Undo.lua")
    assert mine in track.items and track in desk.world.timeline.tracks
    assert any("did not place; it stays" in line for line in said)


def test_after_an_undo_another_take_is_dubbed_and_the_earlier_dub_is_not_placed(films, tmp_path):
    def dub() -> set[str]:
        assert any("placed 18 clips" in line for line in desk.run())
        return {track.name for track in desk.world.timeline.tracks if track.name.startswith("Dubkit")}

    desk = desk_at("25", films, tmp_path)
    earlier = dub()
    desk.worker.step()  # it is told that the dub was placed
    desk.run("Dubkit Undo.lua")
    desk.world.timeline.of_kind("audio")[1].items[0].source = 5
    assert dub() != earlier


def test_a_newer_dub_switches_the_earlier_off(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    before = copy.deepcopy(desk.world.dump())
    desk.run()
    desk.world.timeline.of_kind("audio")[1].items[0].source = 5  # another take of the dialogue
    between = copy.deepcopy(desk.world.dump())
    desk.world.quirks.lost_on_save = 1
    assert "vanished" in desk.run()[-1]
    assert desk.world.dump() == between  # also the switches
    desk.world.quirks.lost_on_save = 0
    assert any("placed 18 clips" in line for line in desk.run())
    tracks = [t for t in desk.world.timeline.tracks if t.name.startswith("Dubkit es ")]
    assert sorted((t.kind, t.enabled) for t in tracks) == [
        ("audio", False),
        ("audio", True),
        ("video", False),
        ("video", True),
    ]
    assert [t.enabled for t in desk.world.timeline.of_kind("video") if t in tracks] == [False, True]
    assert desk.run()[-1].endswith("already placed; nothing was changed")
    desk.run("Dubkit Undo.lua")
    desk.world.timeline.of_kind("audio")[1].items[0].source = 0
    assert desk.world.dump() == before


def test_an_untitled_project_is_not_saved(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.world.project.name = "Untitled Project"
    assert any("placed 18 clips" in line for line in desk.run())
    assert desk.world.saves == 0


def test_a_failed_dub_says_why(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    desk.dubber.fail = 'the "voice" said: ]] os.exit() --'
    desk.world.timeline.of_kind("video")[0].items[7].speed = 1.0
    before = copy.deepcopy(desk.world.dump())
    assert desk.run()[-1].endswith('the dub failed: the "voice" said: ]] os.exit() --')
    assert desk.world.dump() == before


def test_a_full_lua_starts_the_worker_and_a_restricted_one_cannot(films, tmp_path):
    desk = desk_at("25", films, tmp_path)
    host = desk.host(restricted=False)
    host.run(desk.scripts / "Dubkit.lua")
    [command] = host.commands
    assert "resolve serve --mailbox" in command and str(tmp_path) in command
    desk.worker.beat()
    host = desk.host(restricted=False)
    desk.run("Dubkit Undo.lua")
    os.unlink(next(desk.mailbox.outbox.glob("timeline-*.lua")))
    host.run(desk.scripts / "Dubkit.lua")
    assert host.commands == []  # one is alive


def test_variable_rate_media_are_rendered(films, tmp_path):
    import av

    film = tmp_path / "variable.mov"
    with av.open(str(films["25"])) as source, av.open(str(film), "w") as out:
        picture, sound = source.streams
        copies = {stream: out.add_stream_from_template(stream) for stream in (picture, sound)}
        number = 0
        for packet in source.demux():
            if not packet.size:
                continue
            if packet.stream is picture:
                packet.pts = packet.dts = round((number + (number % 3 == 2) * 0.5) / 25 / picture.time_base)
                number += 1
            packet.stream = copies[packet.stream]
            out.mux(packet)
    assert module("worker").conform.inspect(film).rate != 25 or module("worker").conform.inspect(film).variable
    desk = desk_at("25", films, tmp_path)
    phone = desk.world.media(str(film))
    desk.world.timeline.of_kind("video")[0].items[2].mpi = phone
    rendered = []
    desk.world.renderer = lambda timeline, first, past, path: (
        rendered.append((first - 90000, past - 90000)),
        desk.render(timeline, first, past, path),
    )
    assert any("placed 18 clips" in line for line in desk.run())
    assert rendered == [(14, 23), (57, 63)]  # it, and the slow clip


def test_where_otio_is_refused_fcp7_xml_asks_and_everything_is_rendered(films, tmp_path):
    """FCP7 XML says where clips lie, but not how fast they run: so no frame is taken from it."""
    quirks = Quirks(export_otio=False, export_xml=True)
    desk = desk_at("25", films, tmp_path, quirks=quirks, dialogue=films["25"])  # it has no names of tracks either
    before = copy.deepcopy(desk.world.dump())
    rendered = []
    desk.world.renderer = lambda timeline, first, past, path: (
        rendered.append(past - first),
        desk.render(timeline, first, past, path),
    )
    said = desk.run()
    assert any("placed 18 clips" in line for line in said), said
    assert rendered == [8, 6, 9, 7, 5, 10, 6, 6, 8]
    placed = copy.deepcopy(desk.world.dump())
    assert _originals(placed) == _originals(before)
    assert desk.run()[-1].endswith("already placed; nothing was changed") and desk.world.dump() == placed
    desk.run("Dubkit Undo.lua")
    assert desk.world.dump() == before


def test_no_script_opens_the_dialogue_of_an_edition(films, tmp_path):
    """On Free a Studio-only call opens a dialogue, and then unrelated calls fail: no script ever makes one."""
    desk = desk_at("25", films, tmp_path)
    desk.run()
    desk.run("Dubkit Undo.lua")
    assert not desk.world.modal
    desk.world.resolve.CreateSubtitlesFromAudio()  # somebody else's script does
    before = copy.deepcopy(desk.world.dump())
    assert desk.world.modal and "nothing was placed" in desk.run()[-1]
    assert desk.world.dump() == before


def test_a_dialogue_in_the_middle_of_placing(films, tmp_path):
    """Nothing can be taken back while it is open: undo does so later, or the next run before it places."""
    desk = desk_at("25", films, tmp_path, quirks=Quirks(modal_at=5))
    before = copy.deepcopy(desk.world.dump())
    assert any("nothing was placed" in line or "stays" in line for line in desk.run())
    desk.world.modal = False
    desk.run("Dubkit Undo.lua")
    assert desk.world.dump() == before
    desk.world.pool.appends, desk.world.quirks.modal_at = 0, 7
    desk.run()
    desk.world.modal, desk.world.quirks.modal_at = False, None
    assert any("placed 18 clips" in line for line in desk.run())
    [track] = [t for t in desk.world.timeline.of_kind("video") if t.name.startswith("Dubkit")]
    assert len(track.items) == 9
    desk.run("Dubkit Undo.lua")
    assert desk.world.dump() == before


def test_without_export_the_script_says_so(films, tmp_path):
    desk = desk_at("25", films, tmp_path, quirks=Quirks(export_otio=False))
    before = copy.deepcopy(desk.world.dump())
    assert "would not write the request" in desk.run()[-1]
    assert desk.world.dump() == before
