"""How the picture is to be shown survives the whole way: rotation, shape of pixels, colour, HDR, fields, range, timecode."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from dubkit.media.codecs import left_out
from dubkit.media.mux import mux
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import RenderSettings
from tests.media.recipes import make_film, numbers
from tests.media.whole_way import FAST, through, write_pieces


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_kept(tmp_path, rotation):
    media = probe(make_film(tmp_path / "film.mp4", rotation=rotation, frames=10))
    film = through(media, tmp_path / "out.mp4", sound=False)
    assert film.video.rotation == rotation and (film.video.width, film.video.height) == (
        media.video.width,
        media.video.height,
    )
    assert numbers(film) == list(range(10))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sar_and_colour_tags_are_kept(tmp_path, suffix):
    media = probe(
        make_film(tmp_path / "film.mp4", sar=Fraction(64, 45), color=(9, 16, 9, 1), pix_fmt="yuv420p10le", frames=8)
    )
    assert media.video.sar == Fraction(64, 45)
    expected = ("bt2020nc", "tv", "bt2020", "smpte2084")
    for codec in ("h264", "h265"):
        film = through(media, tmp_path / f"out{suffix}", RenderSettings(codec=codec, speed="ultrafast"))
        video = film.video
        assert video.sar == Fraction(64, 45)
        assert (video.color_matrix, video.color_range, video.color_primaries, video.color_transfer) == expected


@pytest.mark.parametrize(
    "codec, suffix, audio", [("prores", ".mov", "pcm"), ("dnxhr", ".mov", "pcm"), ("ffv1", ".mkv", "flac")]
)
@pytest.mark.parametrize("color, expected", [
    ((9, 16, 9, 1), ("bt2020nc", "tv", "bt2020", "smpte2084")), ((1, 1, 1, 1), ("bt709", "tv", "bt709", "bt709")),
    ((6, 6, 6, 1), ("smpte170m", "tv", "smpte170m", "smpte170m")),
])  # fmt: skip
def test_mastering_codecs_keep_sar_colour_and_timecode(tmp_path, codec, suffix, audio, color, expected):
    media = probe(
        make_film(
            tmp_path / "film.mov", sar=Fraction(64, 45), color=color, frames=4, size=(288, 160), timecode="01:00:00:00"
        )
    )
    settings = RenderSettings(codec=codec, audio_codec=audio)
    film = through(media, tmp_path / f"out{suffix}", settings)
    video = film.video
    if codec == "dnxhr" and expected[0] != "bt709":
        assert "marks its pictures as BT.709" in left_out(settings, media.video)[0]
        expected = (video.color_matrix, *expected[1:])
    assert (video.color_matrix, video.color_range, video.color_primaries, video.color_transfer) == expected
    assert (video.sar, film.timecode, numbers(film)) == (Fraction(64, 45), "01:00:00:00", [0, 1, 2, 3])


HDR = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"


@pytest.mark.parametrize("source", ["libx264", "libx265"])
def test_static_hdr_metadata_is_kept_or_named(tmp_path, source):
    params = (
        {"x264-params": f"mastering-display={HDR}:cll=1000,400"}
        if source == "libx264"
        else {"x265-params": f"log-level=error:hdr10=1:master-display={HDR}:max-cll=1000,400"}
    )
    media = probe(
        make_film(
            tmp_path / "film.mp4", codec=source, options=params, color=(9, 16, 9, 1), pix_fmt="yuv420p10le", frames=8
        )
    )
    assert (media.video.mastering_display, media.video.content_light) == (HDR, "1000,400")
    for codec in ("h264", "h265"):
        film = through(media, tmp_path / f"{codec}.mp4", RenderSettings(codec=codec, speed="ultrafast"))
        assert (film.video.mastering_display, film.video.content_light) == (HDR, "1000,400")
    settings = RenderSettings(codec="prores", audio_codec="pcm")
    (said,) = mux(write_pieces(media, tmp_path, settings), media, [], tmp_path / "out.mov", settings)
    assert "prores does not carry the HDR metadata" in said


TELLS_FIELDS = hasattr(av.VideoCodecContext, "field_order")  # PyAV 18, which needs Python 3.11


@pytest.mark.parametrize(
    "first", ["tff", pytest.param("bff", marks=pytest.mark.skipif(not TELLS_FIELDS, reason="this PyAV does not tell"))]
)
def test_interlaced_stays_interlaced_or_is_named(tmp_path, first):
    options = {"preset": "veryfast", "flags": "+ildct+ilme", "x264-params": f"{first}=1"}
    media = probe(make_film(tmp_path / "film.mp4", options=options, frames=8))
    assert media.video.interlaced and media.video.top_field_first == (first == "tff")
    assert any("which of its fields" in warning for warning in media.warnings) != TELLS_FIELDS
    for codec, audio in (("h264", "aac"), ("prores", "pcm")):
        settings = RenderSettings(codec=codec, audio_codec=audio, speed="ultrafast")
        film = through(media, tmp_path / f"{codec}.mov", settings)
        assert film.video.interlaced and film.video.top_field_first == (first == "tff"), codec
        assert numbers(film) == list(range(8))
    (said,) = mux(write_pieces(media, tmp_path, FAST.model_copy(update={"codec": "h265"})), media, [],
                  tmp_path / "out.mp4", FAST.model_copy(update={"codec": "h265"}))  # fmt: skip
    assert "without the mark 'interlaced'" in said


def test_full_range_stays_full_range(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", color=(1, 1, 1, 2), frames=8))
    assert media.video.color_range == "pc"
    film = through(media, tmp_path / "out.mp4", RenderSettings(quality=0, speed="ultrafast"), sound=False)
    assert film.video.color_range == "pc"
    with FrameReader(media) as one, FrameReader(film) as two:
        for before, after in zip(one.read(), two.read(), strict=True):
            np.testing.assert_array_equal(before.planes[0], after.planes[0])


@pytest.mark.parametrize("rate, timecode", [(25, "01:00:00:00"), (Fraction(30000, 1001), "00:59:59;28"), (Fraction(24000, 1001), "10:20:30:13"),
                                            (Fraction(60000, 1001), "09:59:59;56")])  # fmt: skip
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_start_timecode_is_kept(tmp_path, rate, timecode, suffix):
    media = probe(make_film(tmp_path / "film.mov", rate=rate, timecode=timecode, frames=8))
    assert media.timecode == timecode
    assert through(media, tmp_path / f"out{suffix}", sound=False).timecode == timecode
