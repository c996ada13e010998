"""Colour arithmetic against swscale, and patches that touch nothing beyond their mask."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dubkit.media.frame import Frame, PixelFormat
from dubkit.media.layout import planar_layout, planes_of
from dubkit.types import VideoStream

SWSCALE = {"bt709": "bt709", "smpte170m": "bt601", "bt2020nc": "bt2020"}  # matrices, as its scale filter calls them


def some_frame(
    name="yuv420p", matrix="bt709", span="tv", rotation=0, size=(64, 48), seed=0, siting=(0.0, 0.5)
) -> Frame:
    layout = planar_layout(name)
    form = PixelFormat(layout.name, layout.depth, layout.chroma, matrix, span, rotation, siting)
    width, height = size if rotation in (0, 180) else size[::-1]
    rng = np.random.default_rng(seed)
    planes = []
    for number in range(3):
        shift = layout.chroma if number else (0, 0)
        shape = -(-height >> shift[1]), -(-width >> shift[0])
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / np.array([shape[0], shape[1]])[:, None, None]
        smooth = 0.5 + 0.2 * np.sin(2 * x + rng.uniform(0, 6)) + 0.2 * np.cos(2 * y + rng.uniform(0, 6))
        values = 128 + (smooth - 0.5) * (90 if number else 160)
        planes.append(np.rint(values * (1 << (layout.depth - 8))).astype(form.dtype))
    return Frame(7, tuple(np.rot90(plane, -(rotation // 90)) for plane in planes), form)


def as_picture(frame: Frame) -> av.VideoFrame:
    picture = av.VideoFrame(*frame.coded_planes()[0].shape[::-1], frame.format.name)
    for plane, values in zip(picture.planes, frame.coded_planes(), strict=True):
        row = np.zeros((values.shape[0], plane.line_size // values.itemsize), values.dtype)
        row[:, : values.shape[1]] = values
        plane.update(row.tobytes())
    return picture


@pytest.mark.parametrize(
    "name", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuv411p"]
)
@pytest.mark.parametrize("matrix", list(SWSCALE))
@pytest.mark.parametrize("span", ["tv", "pc"])
def test_rgb_agrees_with_swscale(name, matrix, span):
    frame = some_frame(name, matrix, span)
    # swscale may place chroma elsewhere and interpolate otherwise: on smooth pictures that is below two levels.
    graph, picture = av.filter.Graph(), as_picture(frame)
    flags = "flags=bicubic+accurate_rnd+full_chroma_int"
    scale = graph.add("scale", f"in_color_matrix={SWSCALE[matrix]}:in_range={span}:out_range=pc:{flags}")
    source = graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=1)
    graph.link_nodes(source, scale, graph.add("format", "rgb24"), graph.add("buffersink")).configure()
    graph.push(picture)
    theirs = graph.pull().to_ndarray()
    difference = np.abs(frame.rgb().astype(int) - theirs)
    levels = 3 if name == "yuv411p" else 2  # swscale repeats 4:1:1 chroma over four pixels instead of interpolating
    assert difference.max() <= levels and difference.mean() < levels / 3
    assert np.abs(frame.rgb(dtype=np.float32) * 255 - theirs).max() <= levels + 0.5


@pytest.mark.parametrize("code, span, expected", [
    ((16, 128, 128), "tv", (0, 0, 0)), ((235, 128, 128), "tv", (255, 255, 255)), ((0, 128, 128), "pc", (0, 0, 0)),
    ((255, 128, 128), "pc", (255, 255, 255)), ((63, 102, 240), "tv", (255, 0, 0)), ((173, 42, 26), "tv", (0, 255, 0)),
])  # fmt: skip
def test_known_colours_of_bt709(code, span, expected):
    planes = tuple(np.full((4, 4), value, np.uint8) for value in code)
    frame = Frame(0, planes, PixelFormat("yuv444p", 8, (0, 0), "bt709", span))
    assert np.abs(frame.rgb()[0, 0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le"])
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_a_box_is_a_part_of_the_whole(rotation, name, size):
    frame = some_frame(name, rotation=rotation, size=size)
    assert frame.size == size
    whole = frame.rgb()
    for box in ((0, 0, 1, 1), (5, 3, 38, 44), (size[0] - 9, size[1] - 8, *size)):
        np.testing.assert_array_equal(frame.rgb(box), whole[box[1] : box[3], box[0] : box[2]])


def test_turning_a_picture_turns_its_colours():
    upright = some_frame("yuv422p", size=(64, 48))
    for rotation in (90, 180, 270):
        turned = replace(
            upright,
            planes=tuple(np.rot90(plane, -(rotation // 90)) for plane in upright.planes),
            format=replace(upright.format, rotation=rotation),
        )
        np.testing.assert_array_equal(turned.rgb(), np.rot90(upright.rgb(), -(rotation // 90)))


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv411p", "yuv440p"]),
    rotation=st.sampled_from([0, 90, 180, 270]),
    size=st.sampled_from([(64, 48), (63, 47), (33, 20)]),
    edges=st.tuples(*[st.floats(0, 1)] * 4),
    siting=st.sampled_from([(0.0, 0.5), (0.5, 0.5), (0.0, 0.0)]),
    seed=st.integers(0, 9),
)
def test_nothing_outside_the_mask_changes(name, rotation, size, edges, siting, seed):
    frame = some_frame(name, rotation=rotation, size=size, siting=siting)
    x0, y0 = int(edges[0] * (size[0] - 2)), int(edges[1] * (size[1] - 2))
    w, h = 1 + int(edges[2] * (size[0] - x0 - 1)), 1 + int(edges[3] * (size[1] - y0 - 1))
    rng = np.random.default_rng(seed)
    mask = (rng.random((h, w)) * (rng.random((h, w)) > 0.6)).astype(np.float32)
    patched = frame.with_patch(x0, y0, rng.random((h, w, 3), np.float32), mask)
    full = np.zeros(size[::-1], np.float32)
    full[y0 : y0 + h, x0 : x0 + w] = mask
    coded = np.rot90(full, rotation // 90)
    before, after = frame.coded_planes(), patched.coded_planes()
    np.testing.assert_array_equal(before[0][coded == 0], after[0][coded == 0])
    sx, sy = frame.format.chroma
    rows, columns = before[1].shape
    blocks = np.zeros((rows << sy, columns << sx), np.float32)
    blocks[: coded.shape[0], : coded.shape[1]] = coded
    untouched = blocks.reshape(rows, 1 << sy, columns, 1 << sx).max((1, 3)) == 0
    for old, new in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(old[untouched], new[untouched])
    assert patched.index == frame.index and patched.format == frame.format
    assert frame.planes[0].dtype == patched.planes[0].dtype


@pytest.mark.parametrize("name, tolerance", [("yuv420p", 1), ("yuv444p", 1), ("yuv420p10le", 1), ("yuv422p12le", 2)])
@pytest.mark.parametrize("span", ["tv", "pc"])
@pytest.mark.parametrize("rotation", [0, 270])
def test_its_own_picture_as_a_patch_changes_next_to_nothing(name, tolerance, span, rotation):
    frame = some_frame(name, span=span, rotation=rotation)
    same = frame.with_patch(3, 5, frame.rgb((3, 5, 50, 41), np.float32), np.ones((36, 47), np.float32))
    for old, new in zip(frame.planes, same.planes, strict=True):
        # chroma is filtered once more, over at most the neighbouring samples of a smooth picture
        assert np.abs(old.astype(int) - new.astype(int)).max() <= tolerance << (frame.format.depth - 8)
    np.testing.assert_allclose(same.planes[0].astype(int), frame.planes[0].astype(int), atol=1)


def test_a_patch_is_shown_with_its_colour_in_its_place():
    frame = some_frame("yuv420p", size=(64, 48))
    red = np.tile(np.array([0.8, 0.2, 0.1], np.float32), (20, 20, 1))
    patched = frame.with_patch(11, 7, red, np.ones((20, 20), np.float32))
    assert np.abs(patched.rgb((13, 9, 29, 25), np.float32) - red[0, 0]).max() < 0.012
    half = frame.with_patch(11, 7, red, np.full((20, 20), 0.5, np.float32))
    expected = (frame.rgb((13, 9, 29, 25), np.float32) + red[0, 0]) / 2
    assert np.abs(half.rgb((13, 9, 29, 25), np.float32) - expected).max() < 0.015


def test_ten_bits_stay_ten_bits():
    frame = some_frame("yuv420p10le", size=(256, 32))
    ramp = np.repeat(np.linspace(0.2, 0.4, 256, dtype=np.float32)[None, :, None], 3, axis=2).repeat(32, 0)
    patched = frame.with_patch(0, 0, ramp, np.ones((32, 256), np.float32))
    assert len(np.unique(patched.planes[0])) > 150  # at 8 bits there would be 45 levels


def test_from_rgb_and_back():
    rgb = (np.random.default_rng(0).random((48, 64, 3)) * 60 + 90).astype(np.uint8)
    for name, rotation in (("yuv444p", 0), ("yuv444p", 90)):
        layout = planar_layout(name)
        form = PixelFormat(layout.name, layout.depth, layout.chroma, rotation=rotation)
        assert np.abs(Frame.from_rgb(3, rgb, form).rgb().astype(int) - rgb).max() <= 2


def test_what_does_not_fit_is_refused():
    frame = some_frame()
    patch, mask = np.zeros((8, 8, 3), np.float32), np.ones((8, 8), np.float32)
    with pytest.raises(ValueError, match="not inside the picture of 64x48"):
        frame.with_patch(60, 0, patch, mask)
    with pytest.raises(ValueError, match="do not belong together"):
        frame.with_patch(0, 0, patch[:4], mask)
    with pytest.raises(ValueError, match="not numbers"):
        frame.with_patch(0, 0, np.full((8, 8, 3), np.nan, np.float32), mask)
    with pytest.raises(ValueError, match="not inside"):
        frame.rgb((5, 5, 5, 9))
    assert not any(plane.flags.writeable for plane in frame.with_patch(0, 0, patch, mask).planes)


def video(**changes) -> VideoStream:
    return replace(VideoStream(0, "h264", 1920, 1080, Fraction(25), Fraction(1, 25), 1, 0.0), **changes)


@pytest.mark.parametrize("changes, matrix, span", [
    ({}, "bt709", "tv"), ({"height": 576, "width": 720}, "smpte170m", "tv"), ({"pix_fmt": "yuvj420p"}, "bt709", "pc"),
    ({"color_matrix": "bt2020nc", "color_range": "pc", "pix_fmt": "yuv420p10le"}, "bt2020nc", "pc"),
    ({"pix_fmt": "gbrp", "color_matrix": "gbr", "color_range": "pc"}, "bt709", "tv"),
])  # fmt: skip
def test_the_format_that_a_stream_is_read_in(changes, matrix, span):
    form = PixelFormat.of(video(**changes))
    assert (form.matrix, form.range) == (matrix, span)


def test_interleaved_layouts_are_taken_apart():
    luma = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) % 1024
    picture = av.VideoFrame(64, 48, "p010le")
    for plane, rows in zip(picture.planes, (luma << 6, np.full((24, 64), 512 << 6, np.uint16)), strict=True):
        wide = np.zeros((rows.shape[0], plane.line_size // 2), np.uint16)
        wide[:, :64] = rows
        plane.update(wide.tobytes())
    y, u, _ = planes_of(picture, planar_layout("p010le"))
    np.testing.assert_array_equal(y, luma)
    assert (u == 512).all()
