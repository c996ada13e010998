"""The fake Resolve itself: each switch does what was documented of the real one, so that what passes against it means something."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.fakes.films import make_film
from tests.fakes.resolve import Quirks, Stubborn, World

RATE = Fraction(25)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Its path holds /jobs/, as the path of dubbed media does."""
    folder = tmp_path_factory.mktemp("mailbox") / "jobs"
    folder.mkdir()
    return make_film(folder / "film.mov", RATE, 50)


def world_with(film, start: int = 90000, **quirks) -> World:
    world = World(RATE, start, Quirks(**quirks))
    world.track("video"), world.track("audio")
    world.pool.ImportMedia([str(film)])
    return world


def append(world: World, at: int, first: float = 0, past: float = 10, kind: int = 1, index: int = 1):
    [clip] = world.pool.root.clips
    return world.pool.AppendToTimeline([{
        "mediaPoolItem": clip, "startFrame": first, "endFrame": past, "mediaType": kind, "trackIndex": index, "recordFrame": at,
    }])  # fmt: skip


def lengths(world: World, kind: str = "video") -> list[tuple[int, int]]:
    return [(i.GetStart(), i.GetDuration()) for i in world.timeline.GetItemListInTrack(kind, 1)]


@pytest.mark.parametrize("start", [0, 86400, 107892])
def test_record_frames_are_absolute_and_markers_relative(start, film):
    world = world_with(film, start)
    assert append(world, start + 5) and lengths(world) == [(start + 5, 10)]  # endFrame is exclusive
    if start:
        assert append(world, 5) == []
    world.timeline.AddMarker(5, "Green", "n", "", 1, "mine")
    assert list(world.timeline.GetMarkers()) == [5.0]  # keyed by floats, from the timeline's start


def test_a_fractional_frame_refuses_the_whole_batch(film):
    world = world_with(film)
    assert append(world, 90000, 0.5) is None and append(world, 90000.5) is None and lengths(world) == []


def test_overlaps_are_dropped_or_pushed(film):
    world = world_with(film)
    append(world, 90000)
    assert append(world, 90005) == [] and lengths(world) == [(90000, 10)]
    world.quirks.overlap = "push"
    append(world, 90005)
    assert lengths(world) == [(90000, 10), (90010, 5)]


@pytest.mark.parametrize(("quirks", "answer"), [
    ({"append_returns": "none"}, None), ({"append_returns": "list of none"}, [None]), ({"fails_at": 0}, []),
])  # fmt: skip
def test_an_append_that_places_nothing(quirks, answer, film):
    world = world_with(film, **quirks)
    assert append(world, 90000) == answer and lengths(world) == []


def test_a_locked_track_takes_nothing(film):
    world = world_with(film, locks_new_tracks=True)
    world.timeline.AddTrack("video")
    assert append(world, 90000, index=2) == [] and append(world, 90000, index=1) != []


def test_a_dead_item_answers_none_and_is_lost_on_save(film):
    world = world_with(film, dead_at=0)
    [item] = append(world, 90000)
    assert item.GetStart() is None and item.GetUniqueId() is None and item.GetMediaPoolItem() is None
    assert world.manager.SaveProject() and lengths(world) == []


def test_errored_placements_vanish_on_save(film):
    world = world_with(film, lost_on_save=1)
    append(world, 90000), append(world, 90020)
    assert len(lengths(world)) == 2
    world.manager.SaveProject()
    assert lengths(world) == [(90000, 10)]


@pytest.mark.parametrize(("quirks", "kind", "length"), [
    ({"shorter_at": 0}, 1, 9), ({"inclusive_end": True}, 1, 11), ({"audio_ignores_end": True}, 2, 50), ({}, 2, 10),
])  # fmt: skip
def test_lengths_that_go_wrong(quirks, kind, length, film):
    world = world_with(film, **quirks)
    append(world, 90000, kind=kind)
    assert lengths(world, "audio" if kind == 2 else "video") == [(90000, length)]


def test_a_studio_only_call_on_free_opens_a_dialogue_that_blocks_the_rest(film):
    world = world_with(film)
    assert not world.resolve.CreateSubtitlesFromAudio() and world.modal
    assert append(world, 90000) is None and not world.manager.SaveProject()
    assert not world.timeline.AddTrack("video") and world.pool.AddSubFolder(world.pool.root, "x") is None
    world.modal = False
    assert append(world, 90000)
    assert World(RATE, 0, Quirks(studio=True)).resolve.CreateSubtitlesFromAudio()


@pytest.mark.parametrize(("absent", "error"), [("raises", AttributeError), ("reads None", TypeError)])
def test_what_a_version_does_not_have(absent, error, film):
    world = world_with(film, selected_clips=False, marks=False, absent=absent)
    for name in ("GetSelectedClips", "GetMarkInOut"):
        with pytest.raises(error):
            getattr(world.timeline, name)()


def test_importing(film, tmp_path):
    world = world_with(film, refuses_import=("other.mov",))
    (tmp_path / "other.mov").touch()
    assert world.pool.ImportMedia([str(film)]) == []  # a duplicate
    assert world.pool.ImportMedia(["film.mov"]) == [] and world.pool.ImportMedia([str(tmp_path / "other.mov")]) == []
    world.quirks.imports_only_dicts = True
    world.pool.root.clips.clear()
    assert world.pool.ImportMedia([str(film)]) == [] and world.pool.ImportMedia([{"FilePath": str(film)}])


def test_the_deliver_page(film, tmp_path):
    world = world_with(film, status_words="Abgeschlossen")
    made = []
    world.renderer = lambda timeline, first, past, path: made.append((first, past, path.name))
    project = world.project
    assert project.AddRenderJob() == ""  # wants the Deliver page
    world.resolve.OpenPage("deliver")
    assert not project.SetRenderSettings({"ReplaceExistingFilesInPlace": True})
    assert not project.SetCurrentRenderFormatAndCodec("mov", "Avid DNxHR HQ 12-bit")  # ids, not descriptions
    assert project.SetCurrentRenderFormatAndCodec("mov", "DNxHRHQ") and project.SetCurrentRenderMode(1)
    marks = {"MarkIn": 90010, "MarkOut": 90019, "SelectAllFrames": False, "TargetDir": str(tmp_path), "CustomName": "a"}
    assert project.SetRenderSettings(marks)
    job = project.AddRenderJob()
    assert project.StartRendering([job]) and made == [(90010, 90020, "a.mov")]  # MarkOut is inclusive
    assert project.GetRenderJobStatus(job) == {"JobStatus": "Abgeschlossen", "CompletionPercentage": 100}
    world.quirks.render_fails = True
    assert project.GetRenderJobStatus(job)["Error"]


def test_deleting(film):
    world = world_with(film, first_delete_fails=True)
    clips = world.pool.root.GetClipList()
    world.page = "color"
    with pytest.raises(Stubborn, match="Edit page"):
        world.pool.DeleteClips(clips)
    world.page = "edit"
    assert not world.pool.DeleteClips(clips) and world.pool.DeleteClips(clips)


def test_it_is_strict(film):
    world = world_with(film)
    world.project.name = "Untitled Project"
    for wrong in (
        lambda: world.manager.SaveProject(),
        lambda: world.timeline.AddMarker(1, "Orange", "", "", 1, ""),  # a clip's colour, not a marker's
        lambda: world.timeline.AddMarker(1.0, "Red", "", "", 1, ""),
        lambda: world.timeline.AddTrack("audio", "surround"),
        lambda: world.timeline.GetTrackCount("picture"),
        lambda: world.resolve.OpenPage("cutting"),
        lambda: world.pool.AppendToTimeline([{}, {}]),
        lambda: world.pool.AppendToTimeline([{"mediaPoolItem": None}]),
    ):
        with pytest.raises(Stubborn):
            wrong()
    with pytest.raises(AttributeError):
        world.timeline.GetSelectedItems()
