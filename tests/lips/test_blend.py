"""The blend: nothing outside the mask, nothing where nothing changed, colour and fade as asked."""

import numpy as np
import pytest
from lips_film import YUV422_10, MemoryFilm, job, run
from lips_painters import ColourPainter

from dubkit.lips.blend import blend, mask_at
from dubkit.media.frame import PixelFormat


def planes_equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


@pytest.fixture(scope="module")
def made():
    film = MemoryFilm(20)
    return film, run(film, [job(0, 20, fade=(4, 4))], [film.track()], ColourPainter(), match_color=False)["a"]


def test_outside_the_mask_every_pixel_is_bit_identical(made):
    film, result = made
    for i in (0, 9, 19):
        before = film.frame(i)
        after = blend(before, [(result, i)])
        x0, y0, x1, y1 = film.box(i)
        changed = np.argwhere(before.planes[0] != after.planes[0])
        assert len(changed) > 200
        assert changed[:, 0].min() >= (y0 + y1) / 2 and changed[:, 0].max() <= y1 + 0.06 * (y1 - y0) + 1
        assert changed[:, 1].min() >= x0 and changed[:, 1].max() <= x1
        for plane, new in zip(before.planes[1:], after.planes[1:], strict=True):
            rows, columns = np.nonzero(plane != new)
            assert rows.min() * 2 >= (y0 + y1) / 2 - 2 and columns.min() * 2 >= x0 - 2 and columns.max() * 2 <= x1 + 2


def test_the_middle_of_the_mask_has_the_new_colour_and_the_fade_is_monotonous(made):
    film, result = made
    x0, y0, x1, y1 = film.box(0)
    y = round(y0 + 1.06 * 0.75 * (y1 - y0))
    middle = (149, y - 1, 152, y + 2)  # nine pixels: the film has grain
    at = [blend(film.frame(i), [(result, i)]).rgb(middle).mean(axis=(0, 1)) for i in range(20)]
    assert np.abs(at[9] - (30, 60, 90)).max() < 10
    reds = [colour[0] for colour in at[:6]]
    assert all(a > b - 4 for a, b in zip(reds, reds[1:], strict=False)) and reds[0] > reds[4] + 20


def test_no_change_is_no_change(made):
    film, result = made

    class Same(ColourPainter):
        def generate(self, windows, crops, references):
            return crops.copy()

    same = run(film, [job(0, 20)], [film.track()], Same())["a"]
    for i in range(0, 20, 5):
        assert planes_equal(film.frame(i), blend(film.frame(i), [(same, i)]))


def test_alpha_zero_passes_the_frame_through(made):
    film, result = made
    frame = film.frame(3)
    result.alpha[3], kept = 0, result.alpha[3]
    assert blend(frame, [(result, 3)]) is frame
    result.alpha[3] = kept


def test_two_results_on_one_frame_both_show(made):
    film, result = made
    frame = film.frame(9)
    both = blend(frame, [(result, 9), (result, 9)])
    assert not planes_equal(both, frame) and planes_equal(blend(frame, []), frame)


@pytest.mark.parametrize(
    "format", [YUV422_10, PixelFormat("yuv444p16le", 16, (0, 0))], ids=["4:2:2 10 bit", "4:4:4 16 bit"]
)
@pytest.mark.parametrize("edge", [96, 144])
def test_deep_sources_keep_their_depth_and_every_pixel_outside(format, edge):
    film = MemoryFilm(4, format=format)
    result = run(film, [job(0, 4)], [film.track()], ColourPainter(edge), match_color=False)["a"]
    before = film.frame(2)
    after = blend(before, [(result, 2)])
    mask = mask_at(result, 2, before.size)
    assert after.format == format and [p.dtype for p in after.planes] == [p.dtype for p in before.planes]
    assert np.array_equal(before.planes[0][mask == 0], after.planes[0][mask == 0])
    inside = after.planes[0][mask > 0.9]
    assert (inside != before.planes[0][mask > 0.9]).mean() > 0.5
    assert (inside % (1 << (format.depth - 8)) != 0).mean() > 0.5  # finer than 8 bits
