"""The whole neutral core on a film whose frames and samples carry their numbers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dubkit.errors import InputError, MediaError
from dubkit.nle.dub import Order, dub_timeline, plan_dub
from dubkit.nle.dubber import LineNote
from dubkit.nle.script import Script
from dubkit.nle.sound import read_sound, write_wav
from dubkit.nle.timeline import Clip, Timeline, TimelineError, Track
from dubkit.nle.uses import Scope
from dubkit.timing import sample_at
from dubkit.types import FrameRange
from tests.fakes.dubber import FakeDubber
from tests.fakes.films import make_film, numbers, ramp, sample_numbers

RATE = Fraction(24000, 1001)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mov", RATE, 200)


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("dub") / "dub.wav"
    write_wav(path, ramp(0, 48000 * 12, channels=1))
    return path


def cut(film: Path, rate: Fraction = RATE) -> Timeline:
    """Source frames 50-60 at 0, a gap, 100-130 at 20, 20-30 directly after."""
    clips = [
        Clip("one", FrameRange(0, 10), film, Fraction(50) / RATE),
        Clip("two", FrameRange(20, 50), film, Fraction(100) / RATE),
        Clip("three", FrameRange(50, 60), film, Fraction(20) / RATE),
    ]
    sound = tuple(replace(clip, name=clip.name + " sound") for clip in clips)
    return Timeline("edit", rate, (Track("video", "V1", tuple(clips)), Track("audio", "A1", sound)), start=86400)


def test_dubbed_files_show_the_frames_and_sound_that_the_timeline_shows(film, dialogue, tmp_path):
    timeline = cut(film)
    fake = FakeDubber(notes=(LineNote(1.0, 1.2, "undecided"),))
    result = dub_timeline(timeline, Order("es", Script(dialogue=dialogue), handles=5), tmp_path, fake)
    assert [p.record for p in result.placed] == [FrameRange(0, 10), FrameRange(20, 50), FrameRange(50, 60)]
    for placed, first in zip(result.placed, (50, 100, 20), strict=True):
        seen = numbers(placed.path)
        assert seen[placed.first : placed.first + len(placed.record)] == list(range(first, first + len(placed.record)))
        assert seen[0] == first - 5 and len(seen) == len(placed.record) + 10  # the handles
        heard = read_sound(placed.path, placed.first / RATE, len(placed.record) / RATE, 2)
        begin = sample_at(placed.record.start / RATE, 48000)
        wanted = np.arange(begin, begin + heard.shape[1]) % 65536
        off = (sample_numbers(heard) - wanted + 32768) % 65536 - 32768
        assert np.abs(off[2:-2]).max() <= 1  # whole samples: a frame boundary lies between two
    assert fake.requests[0].frames == 20 + 40 + 20
    assert len(fake.requests) == 1
    assert result.timeline.tracks[:1] == timeline.tracks[:1] and result.timeline.tracks[2] == timeline.tracks[1]
    assert [t.kind for t in result.timeline.tracks] == ["video", "video", "audio", "audio"]
    assert result.timeline.tracks[1].added and result.timeline.tracks[3].added
    [marker] = result.markers  # reel 1.0 s = frame 23 = 3 frames into the second piece, a handle until 25
    assert (marker.record.start, marker.note) == (20, "undecided")


def test_a_second_run_does_no_work_and_gives_the_same(film, dialogue, tmp_path):
    order, fake = Order("es", Script(dialogue=dialogue)), FakeDubber()
    first = dub_timeline(cut(film), order, tmp_path, fake)
    again = dub_timeline(first.timeline, order, tmp_path, fake)  # the dub's own tracks change nothing
    assert len(fake.requests) == 1 and first.fresh and not again.fresh
    assert again == replace(first, fresh=False)
    other = dub_timeline(cut(film), replace(order, language="fr"), tmp_path, fake)
    assert other.key != first.key and len(fake.requests) == 2


def test_other_settings_are_another_dub(film, dialogue, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("[lips]\ncrossfade = 5\n")
    order = Order("es", Script(dialogue=dialogue))
    keys = [plan_dub(cut(film), order).key, plan_dub(cut(film), replace(order, preset="mine.toml")).key]
    (tmp_path / "mine.toml").write_text("[lips]\ncrossfade = 6\n")
    keys += [plan_dub(cut(film), replace(order, preset="mine.toml")).key]
    keys += [plan_dub(cut(film), order, flags={"lips.crossfade": value}).key for value in (5, 6)]
    assert len(set(keys)) == 5
    fake = FakeDubber()
    assert dub_timeline(cut(film), order, tmp_path, fake).key == keys[0]
    fake.flags = {"lips.crossfade": 6}
    assert dub_timeline(cut(film), order, tmp_path, fake).key == keys[4] and len(fake.requests) == 2


def test_what_a_person_decides_in_a_reels_project_is_done_by_the_next_run(film, dialogue, tmp_path):
    class Dubber(FakeDubber):
        def __call__(self, request, progress):
            (request.folder / "reel.dub.toml").touch()
            return super().__call__(request, progress)

    order, fake = Order("es", Script(dialogue=dialogue)), Dubber()
    first = dub_timeline(cut(film), order, tmp_path, fake)
    assert not dub_timeline(cut(film), order, tmp_path, fake).fresh
    (first.folder / "reel_0" / "reel.dub.toml").write_text("# off screen")
    assert dub_timeline(cut(film), order, tmp_path, fake).fresh and len(fake.requests) == 2
    assert not dub_timeline(cut(film), order, tmp_path, fake).fresh


def test_a_lost_file_is_made_again(film, dialogue, tmp_path):
    order, fake = Order("es", Script(dialogue=dialogue)), FakeDubber()
    first = dub_timeline(cut(film), order, tmp_path, fake)
    first.placed[0].path.unlink()
    again = dub_timeline(cut(film), order, tmp_path, fake)
    assert again.fresh and again.placed[0].path.is_file()


def test_other_rates_and_retimes_are_conformed_to_the_timeline(film, dialogue, tmp_path):
    rate = Fraction(25)
    slow = Clip("slow", FrameRange(0, 40), film, Fraction(100) / RATE, speed=Fraction(1, 2))
    other = Clip("other rate", FrameRange(40, 60), film, Fraction(10) / RATE)
    timeline = Timeline("edit", rate, (Track("video", "V1", (slow, other)),))
    result = dub_timeline(timeline, Order("es", Script(dialogue=dialogue), handles=0), tmp_path, FakeDubber())
    seen = [numbers(placed.path) for placed in result.placed]
    expected = [int(n / rate / 2 * RATE + 100 + Fraction(1, 4)) for n in range(40)]
    assert seen[0] == expected and seen[0][:4] == [100, 100, 101, 101]
    assert seen[1] == [int(n / rate * RATE + 10 + Fraction(1, 4)) for n in range(20)]


def test_scope_and_layers(film, dialogue, tmp_path):
    low = Clip("low", FrameRange(0, 100), film)
    high = Clip("high", FrameRange(40, 60), film, Fraction(150) / RATE)
    title = Clip("title", FrameRange(0, 100), None, without_media="generator")
    timeline = Timeline(
        "edit", RATE, tuple(Track("video", n, (c,)) for n, c in (("V1", low), ("V2", high), ("V3", title)))
    )
    order = Order("es", Script(dialogue=dialogue), handles=0)
    whole = plan_dub(timeline, order)
    assert [use.record for piece in whole.reels[0].pieces for use in piece.uses] == [
        FrameRange(0, 40), FrameRange(40, 60), FrameRange(60, 100)]  # fmt: skip
    part = plan_dub(timeline, replace(order, scope=(Scope(FrameRange(30, 50), track=1),)))
    assert [use.record for piece in part.reels[0].pieces for use in piece.uses] == [FrameRange(30, 40)]
    assert part.key != whole.key
    with pytest.raises(TimelineError, match="chosen part"):
        plan_dub(timeline, replace(order, scope=(Scope(FrameRange(200, 210)),)))


def test_what_cannot_be_dubbed_is_refused_by_name_and_marked(film, dialogue, tmp_path):
    good = Clip("good", FrameRange(0, 20), film)
    bad = [
        Clip("compound", FrameRange(20, 40), None, without_media="nested timeline"),
        Clip("ramp", FrameRange(40, 60), film, speed=None),
        Clip("backwards", FrameRange(60, 80), film, Fraction(2), speed=Fraction(-1)),
        Clip("still", FrameRange(80, 100), film, speed=Fraction(0)),
        Clip("too long", FrameRange(100, 500), film),
    ]
    timeline = Timeline("edit", RATE, (Track("video", "V1", (good, *bad)),))
    result = dub_timeline(timeline, Order("es", Script(dialogue=dialogue)), tmp_path, FakeDubber())
    assert [r.name for r in result.refusals] == ["compound", "ramp", "backwards", "still", "too long"]
    assert [m.record for m in result.markers] == [clip.record for clip in bad]
    with pytest.raises(TimelineError, match="compound.*nested timeline"):
        dub_timeline(
            replace(timeline, tracks=(Track("video", "V1", tuple(bad)),)),
            Order("es", Script(dialogue=dialogue)),
            tmp_path,
            FakeDubber(),
        )


def test_dub_on_a_track_of_the_timeline(film, dialogue, tmp_path):
    timeline = cut(film)
    at = Clip("dialogo", FrameRange(15, 60), dialogue, Fraction(1))
    timeline = replace(timeline, tracks=(*timeline.tracks, Track("audio", "Dub ES", (at,))))
    result = dub_timeline(timeline, Order("es", Script(track="dub es"), handles=0), tmp_path, FakeDubber())
    heard = read_sound(result.placed[1].path, Fraction(0), 30 / RATE, 2)
    assert abs(sample_numbers(heard)[100] - (48000 + sample_at(5 / RATE, 48000) + 100)) <= 1
    silent = read_sound(result.placed[0].path, Fraction(0), 10 / RATE, 2)
    assert not silent.any()
    with pytest.raises(TimelineError, match="no audio track named 'dub fr'.*'A1', 'Dub ES'"):
        plan_dub(timeline, Order("fr", Script(track="dub fr")))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_subtitles_move_with_their_clips(film, tmp_path, encoding):
    srt = tmp_path / "es.srt"
    # record seconds: clip one 0-0.417, gap, two 0.834-2.085, three 2.085-2.5
    srt.write_text(
        "1\n00:00:00,900 --> 00:00:01,500\nmañana\n\n2\n00:00:01,900 --> 00:00:02,200\ncruza\n\n3\n00:01:00,000 --> 00:01:01,000\nfuera\n",
        encoding,
    )
    fake = FakeDubber()
    result = dub_timeline(cut(film), Order("es", Script(subtitles=srt), handles=5), tmp_path / "out", fake)
    written = fake.requests[0].subtitles.read_text("utf-8")
    shift = (25 - 20) / float(RATE)  # the second use begins at reel frame 25, at record frame 20
    assert f"00:00:0{0.9 + shift:.3f}".replace(".", ",") in written
    assert "mañana" in written and "fuera" not in written
    assert [m.note for m in result.markers] == ["cruza: a cut leaves 0.19 s of the line's 0.30 s"]


def test_a_dub_in_media_time(film, dialogue, tmp_path):
    result = dub_timeline(
        cut(film), Order("es", Script(dialogue=dialogue, time="media"), handles=5), tmp_path, FakeDubber()
    )
    heard = read_sound(result.placed[1].path, Fraction(0), 40 / RATE, 2)  # handles are dubbed as well
    assert abs(sample_numbers(heard)[10] - (sample_at(95 / RATE, 48000) + 10) % 65536) <= 1


@pytest.mark.parametrize(("time", "loud"), [("timeline", [False, True, False]), ("media", [True, True, True])])
def test_handles_are_heard_only_where_the_dub_reaches_them(time, loud, film, dialogue, tmp_path):
    """Else the words of the original in a handle would be a line that the dub leaves too short."""
    fake = FakeDubber()
    script = Script(dialogue=dialogue, time=time)
    result = dub_timeline(cut(film), Order("es", script, handles=10), tmp_path, fake)
    use, length = result.placed[0], len(result.placed[0].record)
    edges = [use.first // 2, use.first + length // 2, use.first + length + 5]  # frames of the first piece, in the reel
    heard = [read_sound(fake.requests[0].film, frame / RATE, 1 / RATE, 2).any() for frame in edges]
    assert heard == loud


def test_silent_media_sound_like_the_timeline(dialogue, tmp_path):
    mute = make_film(tmp_path / "mute.mov", RATE, 100, sound=False)
    picture = Clip("picture", FrameRange(10, 50), mute)
    sound = Clip("recorder", FrameRange(0, 60), dialogue, Fraction(1, 2))
    timeline = Timeline("edit", RATE, (Track("video", "V1", (picture,)), Track("audio", "A1", (sound,))))
    fake = FakeDubber()
    dub_timeline(timeline, Order("es", Script(dialogue=dialogue), handles=0), tmp_path / "out", fake)
    heard = read_sound(fake.requests[0].film, Fraction(0), 40 / RATE, 2)
    assert abs(sample_numbers(heard)[50] - (24000 + sample_at(10 / RATE, 48000) + 50)) <= 1
    write_wav(recorded := tmp_path / "recorder.wav", ramp(0, 48000 * 4, channels=1))
    other = replace(timeline.tracks[1], clips=(replace(sound, media=recorded),))
    timeline = replace(timeline, tracks=(timeline.tracks[0], other))
    before = plan_dub(timeline, Order("es", Script(dialogue=dialogue))).key
    write_wav(recorded, ramp(1, 48000 * 4, channels=1))
    assert plan_dub(timeline, Order("es", Script(dialogue=dialogue))).key != before, "sound that was replaced in place"


def test_a_dubber_that_loses_a_frame_is_found_out(film, dialogue, tmp_path):
    with pytest.raises(MediaError, match="a dub must keep the number of frames"):
        dub_timeline(cut(film), Order("es", Script(dialogue=dialogue)), tmp_path, FakeDubber(lose=1))
    assert not list(tmp_path.glob("*/result.json"))


def test_orders_that_make_no_sense(film, dialogue):
    with pytest.raises(InputError, match="language code"):
        Order("../../x", Script(dialogue=dialogue))
    with pytest.raises(InputError, match="exactly one"):
        Script()
    with pytest.raises(InputError, match="not there"):
        plan_dub(cut(film), Order("es", Script(dialogue=Path("nowhere.wav"))))
    with pytest.raises(TimelineError, match="relink"):
        plan_dub(cut(Path("/nowhere/film.mov")), Order("es", Script(dialogue=dialogue)))


def test_media_of_several_pixel_formats_share_a_reel_in_the_richest(dialogue, tmp_path):
    from dubkit.nle import conform

    assert conform.richest({"yuv420p", "yuv422p", "yuv411p"}) == "yuv422p"
    assert conform.richest({"yuv444p", "yuv420p10le"}) == "yuv420p10le"
    one = make_film(tmp_path / "one.mov", RATE, 30, codec="mjpeg")
    other = make_film(tmp_path / "other.mov", RATE, 30, codec="mjpeg", pixels="yuvj422p")
    clips = (Clip("one", FrameRange(0, 10), one), Clip("other", FrameRange(10, 20), other))
    timeline = Timeline("edit", RATE, (Track("video", "V1", clips),))
    fake = FakeDubber()
    result = dub_timeline(timeline, Order("es", Script(dialogue=dialogue), handles=0), tmp_path / "out", fake)
    assert len(fake.requests) == 1 and conform.inspect(fake.requests[0].film).pixels == "yuv422p"
    assert [numbers(placed.path) for placed in result.placed] == [list(range(10)), list(range(10))]


def test_the_reel_holds_the_very_pixels_of_the_media(film, dialogue, tmp_path):
    import av

    fake = FakeDubber()
    dub_timeline(cut(film), Order("es", Script(dialogue=dialogue), handles=0), tmp_path, fake)

    def planes(path):
        return [
            np.concatenate([np.asarray(p).ravel() for p in f.to_ndarray()]) for f in av.open(str(path)).decode(video=0)
        ]

    source, reel = planes(film), planes(fake.requests[0].film)
    for i, n in enumerate([*range(50, 60), *range(100, 130), *range(20, 30)]):
        assert np.array_equal(reel[i], source[n])
