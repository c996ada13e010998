"""What the careless user brings: every file that is no film gets its own words."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest

from dubkit.errors import EngineUnavailable, MediaError
from dubkit.media.audio import read_audio, write_audio
from dubkit.media.ffmpeg import arguments, ffmpeg_binary, run_graph, url
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from tests.media.recipes import make_film, numbers

AWKWARD = ["with space.mp4", "quote's \"double\".mp4", "new\nline.mp4", "-leading.mp4", "per%04dcent.mp4", "co:lon.mp4", "ünïcödé 映画.mp4",
           "semi;colon&pipe|.mp4", "[brackets],comma.mp4", "back\\slash.mp4", "$HOME `id`.mp4"]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names(tmp_path, name):
    from dubkit.media.mux import AudioTrack, mux
    from dubkit.media.writer import FrameWriter
    from dubkit.settings import RenderSettings

    if os.name == "nt" and any(c in name for c in '"\n:|\\'):
        pytest.skip("Windows has no such file names")
    folder = tmp_path / name.removesuffix(".mp4")
    folder.mkdir()
    media = probe(make_film(folder / name, frames=6))
    assert numbers(media) == list(range(6))
    settings = RenderSettings(speed="ultrafast")
    write_audio(folder / f"{name}.flac", read_audio(media.path, sample_rate=48_000), 48_000)
    with FrameReader(media) as reader, FrameWriter(folder / f"{name}.nut", media.video, settings) as writer:
        for frame in reader.read():
            writer.write(frame)
    output = folder / f"out {name}"
    mux([folder / f"{name}.nut"], media, [AudioTrack(folder / f"{name}.flac", title=name)], output, settings)
    assert numbers(probe(output)) == list(range(6))


def test_a_relative_path_with_a_leading_dash(tmp_path, monkeypatch):
    from pathlib import Path

    make_film(tmp_path / "-i.mp4", frames=3)
    monkeypatch.chdir(tmp_path)
    assert probe(Path("-i.mp4")).video.num_frames == 3


def test_a_name_as_long_as_the_disk_allows(tmp_path):
    path = tmp_path / ("x" * 240 + ".flac")
    write_audio(path, np.zeros((1, 100), np.float32), 8_000)
    assert probe(path).audio[0].sample_rate == 8_000


def test_what_is_no_film_says_what_it_is(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("This is a letter, not a film.\n" * 50)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(3).bytes(20_000))
    (tmp_path / "subtitles.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    (tmp_path / "folder.mp4").mkdir()
    for name, words in (
        ("empty.mp4", "is empty"), ("text.mp4", "not a film"), ("noise.mp4", "not a film"), ("missing.mp4", "there is no file"),
        ("folder.mp4", "is a folder"), ("subtitles.srt", "neither picture nor sound"),
    ):  # fmt: skip
        with pytest.raises(MediaError, match=words) as caught:
            probe(tmp_path / name)
        assert name in str(caught.value) and caught.value.exit_code == 2


def test_a_picture_is_no_film(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "still.png")
    with pytest.raises(MediaError, match="not a film"):
        probe(tmp_path / "still.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path):
    path = make_film(tmp_path / "film.mp4", frames=3)
    path.chmod(0)
    with pytest.raises(MediaError, match="cannot be read"):
        probe(path)


def test_an_unreadable_file_whoever_runs_the_test(tmp_path, monkeypatch):
    from pathlib import Path

    path = make_film(tmp_path / "film.mp4", frames=3)

    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match="cannot be read: Permission denied"):
        probe(path)


@pytest.mark.parametrize(
    "suffix, options",
    [
        (".mp4", {}),
        (".mp4", {"movflags": "faststart"}),
        (".mkv", {}),
        (".mov", {"movflags": "faststart"}),
        (".avi", {}),
    ],
)
def test_truncated_files(tmp_path, suffix, options):
    path = make_film(tmp_path / f"film{suffix}", frames=100, container_options=options, codec="mpeg4" if suffix == ".avi" else "libx264",
                     sound=suffix != ".avi")  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match="truncated"):
        probe(path)


def test_sound_only_is_allowed_and_has_no_picture(tmp_path):
    write_audio(tmp_path / "dub.flac", np.zeros((2, 48_000), np.float32), 48_000)
    media = probe(tmp_path / "dub.flac")
    assert media.video is None and media.duration == pytest.approx(1.0)
    assert (media.audio[0].channels, media.audio[0].start) == (2, 0.0)
    with pytest.raises(MediaError, match="has no picture"):
        FrameReader(media)


def test_cover_art_is_no_film(tmp_path):
    from PIL import Image

    from dubkit.process import run

    write_audio(tmp_path / "song.flac", np.zeros((2, 48_000), np.float32), 48_000)
    Image.new("RGB", (64, 64)).save(tmp_path / "cover.png")
    run([ffmpeg_binary(), "-v", "error", "-i", tmp_path / "song.flac", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1",
         "-c", "copy", "-disposition:v", "attached_pic", tmp_path / "both.flac"])  # fmt: skip
    assert probe(tmp_path / "both.flac").video is None


def test_a_film_without_sound(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=10, sound=False))
    assert media.audio == () and media.duration == pytest.approx(0.4)
    with pytest.raises(MediaError, match="has no sound"):
        read_audio(media.path, sample_rate=48_000)


def test_a_second_sound_in_a_codec_that_nobody_knows(tmp_path):
    from dubkit.process import run

    film = make_film(tmp_path / "film.mov", frames=25, flashes=(5,))
    run([ffmpeg_binary(), "-v", "error", "-i", film, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy",
         tmp_path / "both.mov"])  # fmt: skip
    data = (tmp_path / "both.mov").read_bytes()
    entry = data.rindex(b"stsd", 0, data.rindex(b"esds"))  # of the last track: its codec becomes another, undescribed
    data = data[:entry] + data[entry:].replace(b"mp4a", b"apac", 1).replace(b"esds", b"free", 1)
    (tmp_path / "both.mov").write_bytes(data)
    media = probe(tmp_path / "both.mov")
    assert [stream.codec for stream in media.audio] == ["aac"]
    assert any("sound stream 2 is in a codec that cannot be decoded" in warning for warning in media.warnings)
    assert np.array_equal(read_audio(media.path, sample_rate=48_000), read_audio(film, sample_rate=48_000))
    with pytest.raises(MediaError, match="no sound stream 2"):
        read_audio(media.path, sample_rate=48_000, stream=2)


def test_one_frame(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=1, sound=False))
    assert media.video.num_frames == 1 and numbers(media) == [0]


def test_colour_sar_profile_and_delay(tmp_path):
    path = make_film(
        tmp_path / "film.mp4", frames=10, color=(1, 1, 1, 1), sar=Fraction(4, 3), picture_delay=Fraction(5, 25)
    )
    video = probe(path).video
    assert (video.color_matrix, video.color_range, video.color_primaries, video.color_transfer) == (
        "bt709",
        "tv",
        "bt709",
        "bt709",
    )
    assert (video.sar, video.codec, video.pix_fmt, video.start) == (
        Fraction(4, 3),
        "h264",
        "yuv420p",
        pytest.approx(0.2),
    )
    assert not video.interlaced


def test_interlaced_is_seen(tmp_path):
    path = make_film(
        tmp_path / "film.ts",
        frames=12,
        options={"preset": "veryfast", "x264-params": "interlaced=1"},
        sound=False,
        size=(192, 128),
    )
    media = probe(path)
    assert media.video.interlaced and any("interlaced" in warning for warning in media.warnings)
    assert (media.video.rate, media.video.num_frames) == (25, 12)


def test_a_wrong_timecode_is_ignored_with_a_word(tmp_path):
    media = probe(make_film(tmp_path / "film.mkv", frames=5, timecode="99:99:99:99"))
    assert media.timecode is None and any("timecode" in warning for warning in media.warnings)


def test_the_shared_film(shared):
    media = probe(shared / "media" / "film_a.mp4")
    assert (media.video.rate, media.video.num_frames, media.video.display_size) == (25, 990, (1280, 720))
    assert media.warnings == ()


def test_the_binary_can_be_chosen_and_a_wrong_choice_is_said(monkeypatch):
    found = ffmpeg_binary()
    monkeypatch.setenv("DUBKIT_FFMPEG", str(found))
    assert ffmpeg_binary() == found
    monkeypatch.setenv("DUBKIT_FFMPEG", "/no/such/program")
    with pytest.raises(EngineUnavailable, match="DUBKIT_FFMPEG"):
        ffmpeg_binary()


def test_a_graph_becomes_an_argument_list(tmp_path):
    import ffmpeg

    spec = ffmpeg.input("testsrc=d=0.2:s=64x48", f="lavfi").output(url(tmp_path / "-x.mkv"), vcodec="ffv1")
    words = arguments(spec)
    assert words[0] == str(ffmpeg_binary()) and set(words) >= {"-nostdin", "-hide_banner", "-loglevel", "-y"}
    assert words[-1] == f"file:{tmp_path / '-x.mkv'}"
    run_graph(spec)
    assert probe(tmp_path / "-x.mkv").video.num_frames == 5


def test_text_that_is_not_utf8_becomes_text(tmp_path):
    """Old recorders write titles in their own encoding."""
    path = make_film(tmp_path / "film.mkv", frames=4)
    with_title = tmp_path / "titled.mkv"
    from dubkit.process import run

    run(
        [
            ffmpeg_binary(),
            "-v",
            "error",
            "-i",
            url(path),
            "-c",
            "copy",
            "-metadata:s:a:0",
            "title=Espa!ol",
            url(with_title),
        ]
    )
    data = with_title.read_bytes()
    assert data.count(b"Espa!ol") == 1
    with_title.write_bytes(data.replace(b"Espa!ol", b"Espa\xf1ol"))
    title = probe(with_title).audio[0].title
    assert title == "Espa\ufffdol" and title.encode()
