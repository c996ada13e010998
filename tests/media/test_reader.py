"""Frame identity: the reader yields exactly the promised frames, from any start, at every rate."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from dubkit.errors import MediaError
from dubkit.media.packets import scan
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import MediaSettings
from dubkit.types import FrameRange
from tests.media.recipes import is_flash, make_film, number_of, numbers

RATES = [Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 50, Fraction(60000, 1001), 60]


def counted_by_ffprobe(path) -> int:
    if not shutil.which("ffprobe"):
        pytest.skip("ffprobe is not installed")
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries",
               "stream=nb_read_frames", "-of", "csv=p=0", f"file:{path}"]  # fmt: skip
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip().strip(","))


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{float(rate):.3f}")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_rate_gives_every_frame(tmp_path, rate, suffix):
    path = make_film(tmp_path / f"film{suffix}", rate=rate, frames=60)
    media = probe(path)
    assert (media.video.rate, media.video.is_vfr, media.video.num_frames) == (rate, False, 60)
    assert counted_by_ffprobe(path) == 60
    assert numbers(media) == list(range(60))
    assert numbers(media, FrameRange(31, 37)) == [31, 32, 33, 34, 35, 36]


@pytest.mark.parametrize(
    "suffix, codec", [(".ts", "libx264"), (".avi", "mpeg4"), (".mov", "prores_ks"), (".mpg", "mpeg2video")]
)
def test_other_containers_and_codecs(tmp_path, suffix, codec):
    form = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    media = probe(make_film(tmp_path / f"film{suffix}", codec=codec, pix_fmt=form, frames=40, sound=suffix != ".mpg",
                            options={"bf": "2", "g": "10", "b": "6000000"} if codec.startswith("mpeg") else None))  # fmt: skip
    assert media.video.num_frames == 40
    assert numbers(media) == list(range(40))
    for start in (1, 9, 10, 11, 27, 39):
        assert numbers(media, FrameRange(start, min(start + 3, 40))) == list(range(start, min(start + 3, 40)))


@pytest.mark.parametrize("codec, params", [("libx264", "x264-params"), ("libx265", "x265-params")])
def test_seeks_in_open_groups_of_pictures(tmp_path, codec, params):
    options = {"preset": "veryfast", "crf": "16", params: "keyint=12:min-keyint=12:open-gop=1:bframes=3:scenecut=0"}
    media = probe(make_film(tmp_path / "film.mp4", codec=codec, options=options, frames=60))
    for start in range(0, 58, 3):
        assert numbers(media, FrameRange(start, start + 2)) == [start, start + 1]


def test_a_raw_stream_without_timestamps(tmp_path):
    media = probe(make_film(tmp_path / "film.h264", sound=False, frames=30))
    assert any("no timestamps" in warning for warning in media.warnings)
    assert numbers(media) == list(range(30))
    assert numbers(media, FrameRange(17, 20)) == [17, 18, 19]


def vfr_times(count: int = 60) -> list[Fraction]:
    """Frames at 30 a second of which every third is held twice as long, with a jitter: what telephones write."""
    times, now = [], Fraction(0)
    for n in range(count):
        times.append(now)
        now += Fraction(2 if n % 3 == 2 else 1, 30) + Fraction(n % 5 - 2, 900)
    return times


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_is_presented_at_a_constant_one(tmp_path, suffix):
    times = vfr_times()
    media = probe(make_film(tmp_path / f"film{suffix}", rate=30, times=times))
    video = media.video
    assert video.is_vfr and video.rate == 30 and any("varies" in warning for warning in media.warnings)
    shown = numbers(media)
    assert len(shown) == video.num_frames
    assert abs(video.num_frames / video.rate - (times[-1] + Fraction(1, 15))) < Fraction(1, 20)
    index = scan(media.path)
    stamps = [(pts - index.pts[0]) * index.time_base for pts in index.pts.tolist()]
    begins = [shown.index(number) if number in shown else None for number in range(len(times))]
    assert begins.count(None) <= 3  # two of the source's frames may fall on one
    for stamp, begin in zip(stamps, begins, strict=True):
        assert begin is None or abs(stamp - Fraction(begin, 30)) <= Fraction(1, 60)
    assert numbers(media, FrameRange(40, 45)) == shown[40:45]


def test_variable_rate_can_be_conformed_to_a_given_rate(tmp_path):
    path = make_film(tmp_path / "film.mp4", rate=30, times=vfr_times())
    media = probe(path, MediaSettings(vfr_rate="25"))
    assert media.video.rate == 25
    assert len(numbers(media)) == media.video.num_frames
    # What was made of the film's frames (faces of a shot, lips, encoded pieces) is named by the digest and their numbers.
    assert len({probe(path, MediaSettings(vfr_rate=rate)).digest for rate in (None, "25", "24", "23.976")}) == 4
    constant = make_film(tmp_path / "constant.mp4", frames=10)
    assert probe(constant, MediaSettings(vfr_rate="25")).digest == probe(constant).digest


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_rotated_sources_are_upright(tmp_path, rotation, pix_fmt):
    media = probe(make_film(tmp_path / "film.mp4", rotation=rotation, pix_fmt=pix_fmt, frames=12))
    assert media.video.rotation == rotation and media.video.display_size == (192, 108)
    assert numbers(media) == list(range(12))
    with FrameReader(media) as reader:
        frame = next(iter(reader.read()))
        assert frame.size == (192, 108)
        sx, sy = frame.format.display_chroma
        assert frame.planes[1].shape == (108 >> sy, 192 >> sx)
        _, small = next(iter(reader.proxies(height=54)))
        assert small.shape == (54, 96, 3) and number_of(small[..., 1]) == 0


def test_proxies_step_shrink_and_never_enlarge(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=30, size=(200, 112)))
    with FrameReader(media) as reader:
        small = list(reader.proxies(FrameRange(3, 28), height=56, step=5))
        assert [n for n, _ in small] == [3, 8, 13, 18, 23]
        assert all(picture.shape == (56, 100, 3) and picture.dtype == np.uint8 for _, picture in small)
        assert [number_of(picture[..., 1]) for _, picture in small] == [3, 8, 13, 18, 23]
        assert next(iter(reader.proxies(height=1080)))[1].shape == (112, 200, 3)


@pytest.mark.parametrize("size", [(191, 107), (190, 107), (191, 108)])
def test_odd_sizes(tmp_path, size):
    media = probe(make_film(tmp_path / "film.mkv", codec="ffv1", size=size, frames=6))
    assert media.video.display_size == size
    with FrameReader(media) as reader:
        frame = next(iter(reader.read()))
        assert frame.planes[1].shape == ((size[1] + 1) // 2, (size[0] + 1) // 2)
    assert numbers(media) == list(range(6))


@pytest.mark.parametrize("pix_fmt, codec, suffix, expected", [
    ("yuv420p10le", "libx265", ".mp4", "yuv420p10le"), ("yuv422p10le", "prores_ks", ".mov", "yuv422p10le"),
    ("yuv444p", "libx264", ".mp4", "yuv444p"), ("yuvj420p", "mjpeg", ".avi", "yuv420p"), ("nv12", "rawvideo", ".nut", "yuv420p"),
    ("yuyv422", "rawvideo", ".nut", "yuv422p"), ("gray", "ffv1", ".mkv", "yuv420p"), ("gray10le", "ffv1", ".mkv", "yuv420p10le"),
    ("rgb24", "rawvideo", ".nut", "yuv444p"), ("gbrp10le", "ffv1", ".mkv", "yuv444p10le"), ("yuva420p", "ffv1", ".mkv", "yuv420p"),
    ("yuv420p16le", "ffv1", ".mkv", "yuv420p16le"),
])  # fmt: skip
def test_layouts(tmp_path, pix_fmt, codec, suffix, expected):
    media = probe(make_film(tmp_path / f"film{suffix}", codec=codec, pix_fmt=pix_fmt, frames=5, sound=False))
    with FrameReader(media) as reader:
        frames = list(reader.read())
    assert frames[0].format.name == expected
    assert frames[0].planes[0].dtype == (np.uint8 if frames[0].format.depth == 8 else np.uint16)
    assert [number_of(frame.planes[0]) for frame in frames] == list(range(5))
    said = any("YUV" in warning or "transparency" in warning for warning in media.warnings)
    assert said == (pix_fmt in ("rgb24", "gbrp10le", "yuva420p"))


def test_a_damaged_middle_keeps_count_and_timing(tmp_path):
    path = make_film(tmp_path / "film.ts", frames=100, flashes=[90])
    data = bytearray(path.read_bytes())
    start = len(data) // 3 // 188 * 188
    data[start : start + len(data) // 6] = bytes(len(data) // 6)
    path.write_bytes(data)
    media = probe(path)
    assert media.video.num_frames == 100 and not media.video.is_vfr
    with FrameReader(media) as reader:
        frames = list(reader.read())
        assert [frame.index for frame in frames] == list(range(100))
        assert reader.warnings
        assert (
            number_of(frames[95].planes[0]) == 95
            and is_flash(frames[90].planes[0])
            and not is_flash(frames[91].planes[0])
        )
        again = [number_of(frame.planes[0]) for frame in reader.read(FrameRange(85, 100))]
    assert again == list(range(85, 100))


def test_damage_inside_packets_of_an_mp4(tmp_path):
    path = make_film(tmp_path / "film.mp4", frames=100, sound=False)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    media = probe(path)
    shown = numbers(media)
    assert len(shown) == media.video.num_frames == 100
    assert shown[:30] == list(range(30)) and shown[90:] == list(range(90, 100))


def test_a_hole_repeats_the_frame_before(tmp_path):
    times = [Fraction(n, 25) for n in range(60) if not 30 <= n < 36]
    media = probe(make_film(tmp_path / "film.mp4", rate=25, times=times, sound=False))
    assert not media.video.is_vfr and media.video.num_frames == 60
    assert any("6 frames are missing" in warning for warning in media.warnings)
    shown = numbers(media)
    assert shown == [*range(30), *[29] * 6, *range(30, 54)]
    assert numbers(media, FrameRange(33, 38)) == [29, 29, 29, 30, 31]
    with FrameReader(media) as reader:
        list(reader.read())
        assert reader.warnings == ["frames 30 to 35 are damaged or missing; a neighbouring picture is shown instead"]


def test_a_film_that_begins_between_key_frames(tmp_path):
    path = make_film(tmp_path / "film.ts", frames=60, sound=False)
    from dubkit.media.packets import open_media

    with open_media(path) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[positions[4] :])
    media = probe(path)
    assert any("before the first key frame" in warning for warning in media.warnings)
    assert numbers(media) == list(range(12, 60))


def test_frames_that_do_not_exist_are_refused(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=10))
    with FrameReader(media) as reader, pytest.raises(MediaError, match="frames 0 to 9; 8 to 11"):
        list(reader.read(FrameRange(8, 12)))
    with FrameReader(media) as reader:
        assert list(reader.read(FrameRange(5, 5))) == []


def test_iterators_are_independent_and_close_with_the_reader(tmp_path):
    media = probe(make_film(tmp_path / "film.mp4", frames=30))
    with FrameReader(media) as reader:
        one, two = reader.read(), reader.read(FrameRange(20, 30))
        pairs = [(next(one).index, next(two).index) for _ in range(5)]
    assert pairs == [(n, 20 + n) for n in range(5)]
    assert reader._open == []
