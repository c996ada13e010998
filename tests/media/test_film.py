"""The whole way: read → pieces → film. Frame identity, lossless pixels, sync, and everything that a film carries."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dubkit.errors import MediaError, ProcessError, SettingsError
from dubkit.media.audio import extract, read_audio
from dubkit.media.mux import AudioTrack, SubtitleTrack, mux
from dubkit.media.packets import open_media, scan
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.media.writer import FrameWriter
from dubkit.settings import RenderSettings
from tests.media.recipes import beep_times, is_flash, make_film, number_of, numbers
from tests.media.test_reader import RATES, vfr_times
from tests.media.whole_way import FAST, assert_in_sync, through, write_pieces


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{float(rate):.3f}")
def test_picture_and_sound_stay_together_at_every_rate(tmp_path, rate):
    frames = 90
    flashes = [2, 45, 87]
    media = probe(make_film(tmp_path / "film.mp4", rate=rate, frames=frames, flashes=flashes))
    film = through(media, tmp_path / "out.mp4")
    assert (film.video.rate, film.video.num_frames, film.video.is_vfr) == (rate, frames, False)
    index = scan(film.path)
    assert all(Fraction(int(pts)) * index.time_base == n / Fraction(rate) for n, pts in enumerate(index.pts))
    assert numbers(film) == list(range(frames))
    assert_in_sync(media, flashes)
    assert_in_sync(film, flashes)


def test_a_variable_rate_film_stays_in_sync(tmp_path):
    flashes = [3, 30, 57]
    media = probe(make_film(tmp_path / "film.mp4", rate=30, times=vfr_times(), flashes=flashes))
    film = through(media, tmp_path / "out.mp4")
    assert not film.video.is_vfr and film.video.num_frames == media.video.num_frames
    assert numbers(film) == numbers(media)
    assert_in_sync(film, flashes)


@pytest.mark.parametrize("suffix, codec, audio", [
    (".mkv", "h264", "opus"), (".mkv", "ffv1", "flac"), (".mov", "prores", "pcm"), (".mp4", "h265", "alac"), (".mkv", "h264", "aac"),
    (".mp4", "h264", "opus"), (".mp4", "h264", "flac"),
])  # fmt: skip
def test_containers_and_codecs(tmp_path, suffix, codec, audio):
    flashes = [5, 40]
    media = probe(make_film(tmp_path / "film.mp4", rate=Fraction(24000, 1001), frames=48, flashes=flashes))
    film = through(media, tmp_path / f"out{suffix}", RenderSettings(codec=codec, audio_codec=audio, speed="ultrafast"))
    assert (film.video.rate, film.video.num_frames) == (media.video.rate, 48)
    assert numbers(film) == list(range(48))
    assert_in_sync(film, flashes)
    assert film.audio[0].language == "spa" and film.audio[0].title == "Español"
    assert film.audio[0].sample_rate == 48_000


def test_dnxhr(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=10, size=(288, 160)))
    film = through(media, tmp_path / "out.mov", RenderSettings(codec="dnxhr", audio_codec="pcm"))
    assert (film.video.codec, film.video.pix_fmt) == ("dnxhd", "yuv422p") and numbers(film) == list(range(10))
    small = probe(make_film(tmp_path / "small.mp4", frames=3))
    with pytest.raises(SettingsError, match="at least 256x120"):
        FrameWriter(tmp_path / "piece.nut", small.video, RenderSettings(codec="dnxhr"))


LOSSLESS = [("ffv1", ".mkv", "flac"), ("h264", ".mp4", "aac"), ("h265", ".mp4", "aac")]


@pytest.mark.parametrize("codec, suffix, audio", LOSSLESS)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuv444p"])
def test_lossless_films_have_identical_planes(tmp_path, codec, suffix, audio, pix_fmt):
    media = probe(make_film(tmp_path / "film.mkv", codec="ffv1", pix_fmt=pix_fmt, frames=9, sound=False))
    settings = RenderSettings(codec=codec, quality=None if codec == "ffv1" else 0, audio_codec=audio, speed="ultrafast")
    film = through(media, tmp_path / f"out{suffix}", settings, sound=False)
    assert film.video.pix_fmt == pix_fmt
    with FrameReader(media) as one, FrameReader(film) as two:
        for before, after in zip(one.read(), two.read(), strict=True):
            for old, new in zip(before.planes, after.planes, strict=True):
                np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("source, codec, expected", [
    ("yuv420p", "h264", "yuv420p"), ("yuv420p10le", "h264", "yuv420p10le"), ("yuv422p10le", "h264", "yuv422p10le"),
    ("yuv420p12le", "h264", "yuv420p10le"), ("yuv420p12le", "h265", "yuv420p12le"), ("yuv440p", "h264", "yuv444p"),
    ("yuv420p", "prores", "yuv422p10le"), ("yuv444p", "prores", "yuv444p10le"), ("yuv420p", "dnxhr", "yuv422p"),
    ("yuv420p10le", "dnxhr", "yuv422p10le"), ("yuv444p", "dnxhr", "yuv444p10le"), ("yuv411p", "ffv1", "yuv411p"),
    ("yuv420p16le", "ffv1", "yuv420p16le"),
])  # fmt: skip
def test_the_encoded_layout_is_the_nearest(source, codec, expected):
    from dubkit.media.codecs import CODECS, encoded_format
    from dubkit.media.frame import PixelFormat
    from dubkit.media.layout import planar_layout

    layout = planar_layout(source)
    assert encoded_format(PixelFormat(layout.name, layout.depth, layout.chroma), CODECS[codec]) == expected


@pytest.mark.parametrize("size", [(191, 107), (190, 107), (191, 108)])
@pytest.mark.parametrize("codec, suffix, audio", [*LOSSLESS, ("prores", ".mov", "pcm")])
def test_odd_sizes_are_padded_only_where_the_codec_must(tmp_path, size, codec, suffix, audio):
    media = probe(make_film(tmp_path / "film.mkv", codec="ffv1", size=size, frames=4, sound=False))
    settings = RenderSettings(
        codec=codec, quality=0 if codec.startswith("h") else None, audio_codec=audio, speed="ultrafast"
    )
    film = through(media, tmp_path / f"out{suffix}", settings, sound=False)
    even = codec.startswith("h")
    assert film.video.display_size == tuple(side + side % 2 if even else side for side in size)
    if codec != "prores":
        with FrameReader(media) as one, FrameReader(film) as two:
            for before, after in zip(one.read(), two.read(), strict=True):
                for old, new in zip(before.planes, after.planes, strict=True):
                    np.testing.assert_array_equal(old, new[: old.shape[0], : old.shape[1]])
    assert numbers(film) == list(range(4))


def test_sound_that_starts_late_or_early_is_where_it_was(tmp_path):
    for name, delays in (("late", {"sound_delay": 0.32}), ("picture", {"picture_delay": Fraction(8, 25)})):
        media = probe(make_film(tmp_path / f"{name}.mkv", frames=60, flashes=[30], sound_codec="flac", **delays))
        assert media.audio[0].start == pytest.approx(0.32 if name == "late" else -0.32, abs=0.002)
        film = through(media, tmp_path / f"{name}.mp4")
        with FrameReader(film) as reader:
            assert [frame.index for frame in reader.read() if is_flash(frame.planes[0])] == [30]
        beep = beep_times(read_audio(film.path, sample_rate=48_000))
        assert beep == [pytest.approx(1.2 + media.audio[0].start, abs=0.004)]


def test_tracks_subtitles_chapters_and_tags(tmp_path):
    source = make_film(tmp_path / "film.mkv", frames=50, sound_codec="flac")
    media = probe(with_extras(source, tmp_path / "rich.mkv"))
    assert [stream.language for stream in media.subtitles] == ["eng"]
    (tmp_path / "dub.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\n¡Hola!\n", "utf-8")
    extract(media, tmp_path / "o.flac", sample_rate=48_000)
    tracks = [
        AudioTrack(tmp_path / "o.flac", "es-419", "Dub; \"new\" = 'x'", True),
        AudioTrack(tmp_path / "o.flac", "en", "Original"),
    ]
    added = [SubtitleTrack(tmp_path / "dub.srt", "es", "Doblaje")]
    pieces = write_pieces(media, tmp_path, FAST)
    for suffix in (".mp4", ".mkv", ".mov"):
        output = tmp_path / f"out{suffix}"
        assert mux(pieces, media, tracks, output, FAST, added, {"comment": "made; by = dubkit\n#2 \\o/"}) == []
        film = probe(output)
        assert [(s.language, s.title) for s in film.audio] == [("spa", tracks[0].title), ("eng", "Original")]
        assert [s.language for s in film.subtitles] == ["eng", "spa"]
        with open_media(output) as container:
            tagged = {key.lower(): value for key, value in container.metadata.items()}
            assert (
                tagged["title"] == "The Film: part 1; 50% = half" and tagged["comment"] == "made; by = dubkit\n#2 \\o/"
            )
            titles = [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in container.chapters()]
            assert titles == [(0.0, "One"), (1.0, "Two = 2")]
            assert [bool(s.disposition & av.stream.Disposition.default) for s in container.streams.audio] == [
                True,
                False,
            ]
        assert subtitle_times(output) == [(0.25, "A line"), (0.5, "¡Hola!")]
    assert mux(pieces, media, tracks, tmp_path / "bare.mp4", FAST.model_copy(update={"subtitles": False})) == []
    assert probe(tmp_path / "bare.mp4").subtitles == ()


def with_extras(source: Path, target: Path) -> Path:
    """A copy with a subtitle stream, chapters and a title."""
    from dubkit.media.ffmpeg import ffmpeg_binary, url
    from dubkit.process import run

    subtitles, about = target.with_suffix(".srt"), target.with_suffix(".txt")
    subtitles.write_text("1\n00:00:00,250 --> 00:00:00,400\nA line\n", "utf-8")
    about.write_text(
        ";FFMETADATA1\ntitle=The Film: part 1\\; 50% \\= half\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two \\= 2\n",
        "utf-8",
    )
    run([ffmpeg_binary(), "-v", "error", "-y", "-i", url(source), "-i", url(subtitles), "-i", url(about), "-map", "0", "-map", "1",
         "-map_metadata", "2", "-map_chapters", "2", "-c", "copy", "-metadata:s:s:0", "language=eng", url(target)])  # fmt: skip
    return target


def subtitle_times(path: Path) -> list[tuple[float, str]]:
    found = []
    with open_media(path) as container:
        for packet in container.demux(container.streams.subtitles):
            if packet.size > 2:
                text = bytes(packet).decode("utf-8", "replace").lstrip("\0").strip()
                found.append((float(packet.pts * packet.time_base), text))
    return sorted((round(t, 3), text[1:] if text and ord(text[0]) < 32 else text) for t, text in found)


@pytest.mark.parametrize(
    "codec, suffix, audio", [("h264", ".mp4", "aac"), ("h265", ".mkv", "opus"), ("prores", ".mov", "pcm")]
)
def test_the_same_input_gives_the_same_bytes(tmp_path, codec, suffix, audio):
    media = probe(make_film(tmp_path / "film.mp4", frames=40, timecode="01:00:00:00"))
    settings = RenderSettings(codec=codec, audio_codec=audio, speed="veryfast")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        through(media, tmp_path / folder / f"out{suffix}", settings)
    for name in (*(p.name for p in (tmp_path / "a").glob("piece*")), f"out{suffix}"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_short_sound_is_padded_and_long_sound_cut(tmp_path):
    from dubkit.media.audio import write_audio

    media = probe(make_film(tmp_path / "film.mp4", frames=50))
    pieces = write_pieces(media, tmp_path, FAST)
    for seconds in (0.5, 5.0):
        write_audio(tmp_path / "s.wav", np.full((2, int(seconds * 44_100)), 0.1, np.float32), 44_100)
        mux(pieces, media, [AudioTrack(tmp_path / "s.wav")], tmp_path / "out.mov", RenderSettings(audio_codec="pcm"))
        assert read_audio(tmp_path / "out.mov", sample_rate=48_000).shape == (2, 96_000)


def test_pieces_that_do_not_add_up_are_refused(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=40))
    pieces = write_pieces(media, tmp_path, FAST)
    output = tmp_path / "out.mp4"
    with pytest.raises(MediaError, match="hold 23 frames, the film has 40"):
        mux(pieces[:1], media, [], output, FAST)
    with pytest.raises(MediaError, match="hold 63 frames"):
        mux([*pieces, pieces[0]], media, [], output, FAST)
    (tmp_path / "h265").mkdir()
    other = write_pieces(media, tmp_path / "h265", FAST.model_copy(update={"codec": "h265"}), 20)[-1]
    with pytest.raises(MediaError, match="encoded otherwise"):
        mux([*pieces[:1], other], media, [], output, FAST)
    with pytest.raises(MediaError, match="no file"):
        mux(pieces, media, [AudioTrack(tmp_path / "none.flac", title="Dub")], output, FAST)
    assert not output.exists() and not list(tmp_path.glob(".*"))


def test_what_a_container_cannot_hold_is_said_before_the_work(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=4))
    for name, settings, words in (
        ("out.mp4", RenderSettings(codec="prores"), "prores does not go into .mp4"),
        ("out.mp4", RenderSettings(audio_codec="pcm"), "pcm does not go into .mp4; choose aac"),
        ("out.webm", RenderSettings(), "must end in one of"),
    ):
        with pytest.raises(SettingsError, match=words):
            mux([tmp_path / "p.nut"], media, [], tmp_path / name, settings)
    with (
        pytest.raises(SettingsError, match="CRF of 0 to 51"),
        FrameWriter(tmp_path / "p.nut", media.video, RenderSettings(quality=60)),
    ):
        pass


def test_a_piece_appears_only_when_it_is_whole(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=4))
    path = tmp_path / "piece.nut"
    with FrameReader(media) as reader, pytest.raises(KeyboardInterrupt), FrameWriter(path, media.video, FAST) as writer:
        writer.write(next(iter(reader.read())))
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]
    other = replace(media.video, width=100)
    with (
        FrameReader(media) as reader,
        pytest.raises(MediaError, match="the film needs 100x108"),
        FrameWriter(path, other, FAST) as writer,
    ):
        writer.write(next(iter(reader.read())))
    with (
        pytest.raises(ProcessError, match="libx264|preset"),
        FrameWriter(path, media.video, RenderSettings().model_copy(update={"speed": "no-such"})) as writer,
        FrameReader(media) as reader,
    ):
        for frame in reader.read():
            writer.write(frame)
    assert [p.name for p in tmp_path.iterdir()] == ["film.mp4"]
    assert number_of(next(iter(FrameReader(media).read())).planes[0]) == 0
