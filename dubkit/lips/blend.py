"""Putting new lips into a film frame so that nobody sees where.

What is added is the *change* from the crop the network saw to the crop it painted, enlarged to the film's resolution. Where
nothing changes the film's pixels stay as they are, to the last bit; where little changes the film keeps its own fine
structure; where the mouth is new it is sharpened and gets the film's grain, but not the old mouth's edges. One frame in, one
frame out, no memory: any frame can be made alone. The sums are done by a ``Pixels`` (``pixels.py``), on the CPU or on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dubkit.lips import masks
from dubkit.lips.crops import box_around, from_row, region, shifted
from dubkit.lips.pixels import OPENCV, Array, Box, Pixels, pixels_of
from dubkit.lips.result import LipResult

if TYPE_CHECKING:
    from dubkit.media.frame import Frame

NEW_FROM, NEW_AT = 4.0, 14.0
"""Levels of 255 of change from which on the source's fine structure is the old mouth's and must go."""

_UNSEEN = 0.3
"""Levels of change that nobody can see; the film's own pixels stay."""

SHARPEN = 0.7  # of what lies between the enlarged paint and its blur at half a crop pixel
GRAIN_LIMIT = 2.0  # standard deviations: grain passes, edges do not


def blend(frame: Frame, results_at: Sequence[tuple[LipResult, int]]) -> Frame:
    """The frame with the new lips of every ``(result, index into result.frames)``. Outside the masks it is the same."""
    for result, index in results_at:
        if result.alpha[index] > 0:
            pixels = pixels_of(result.stats)
            with pixels.at_work():
                frame = _with_lips(frame, result, index, pixels)
    return frame


def seen(frame: Frame, transform: np.ndarray, size: int, pixels: Pixels = OPENCV) -> np.ndarray:
    """The crop that the network is shown, (S, S, 3) uint8. ``transform``: crop pixel → pixel of the frame."""
    with pixels.at_work():
        x0, y0, x1, y1 = region(transform, size, *frame.size)
        film = pixels.film(frame, (x0, y0, x1, y1))
        return pixels.taken(pixels.source_crop(film, shifted(transform, -x0, -y0), size))


def _with_lips(frame: Frame, result: LipResult, index: int, pixels: Pixels) -> Frame:
    size, transform = result.crops.shape[1], result.transforms[index]
    patch = _patch_box(result, index, frame.size)
    half = size // 2
    x0, y0, x1, y1 = _joined(region(transform, size, *frame.size, top=half), patch)
    film = pixels.film(frame, (x0, y0, x1, y1))
    shown = pixels.source_crop(film, shifted(transform, -x0, -y0), size, half)
    painted = pixels.given(result.crops[index, half:])
    amount = pixels.blurred(pixels.change(painted, shown), 1.2)
    mask = pixels.given(_crop_mask(result, index)) * _step(amount, _UNSEEN, 2.0, pixels)
    if not mask.any():
        return frame
    inside = from_row(shifted(transform, -patch[0], -patch[1]), half)
    film = pixels.part(film, (patch[0] - x0, patch[1] - y0, patch[2] - x0, patch[3] - y0))
    onto = pixels.onto(inside, (patch[2] - patch[0], patch[3] - patch[1]), (size, size - half))
    paint = pixels.enlarged(painted / 255, onto)
    if result.detail:
        pixel = float(np.sqrt(abs(np.linalg.det(inside[:, :2]))))  # source pixels a crop pixel
        paint = _with_detail(paint, film, shown, amount, onto, pixel, pixels)
    return pixels.pasted(frame, patch[0], patch[1], paint, pixels.enlarged(mask, onto, cubic=False, beyond=False))


def mask_at(result: LipResult, index: int, size: tuple[int, int]) -> np.ndarray:
    """How much of the new face may show at each pixel of a picture of ``size`` (width, height): (H, W) float32."""
    whole = np.zeros((size[1], size[0]), np.float32)
    x0, y0, x1, y1 = _patch_box(result, index, size)
    mask = _crop_mask(result, index)
    inside = from_row(shifted(result.transforms[index], -x0, -y0), mask.shape[1] - mask.shape[0])
    onto = OPENCV.onto(inside, (x1 - x0, y1 - y0), mask.shape[::-1])
    whole[y0:y1, x0:x1] = OPENCV.enlarged(mask, onto, cubic=False, beyond=False)
    return whole


def _with_detail(
    paint: Array, film: Array, shown: Array, amount: Array, onto: Any, pixel: float, pixels: Pixels
) -> Array:
    """The new face with the film's own fine structure where it changes little, sharp and grainy where it is new."""
    own = film - pixels.enlarged(shown / 255, onto)
    new = pixels.within(pixels.enlarged(_step(amount, NEW_FROM, NEW_AT, pixels), onto, cubic=False), 0.0, 1.0)
    fresh = pixels.in_three(_grain(film, pixels)) - own
    if pixel > 1:
        fresh += SHARPEN * (paint - pixels.blurred(paint, max(0.5 * pixel, 0.4)))
    return paint + own + pixels.in_three(new) * fresh


def _grain(film: Array, pixels: Pixels) -> Array:
    """The finest structure of a picture's brightness, a plane, with edges limited to the strength of its grain. Film grain
    and sensor noise live in the luma at this scale: what the chroma has of it, subsampling and codecs have taken away."""
    grey = pixels.brightness(film)
    fine = grey - pixels.blurred(grey, 0.8)
    limit = GRAIN_LIMIT * 1.4826 * pixels.typical(fine)
    return pixels.within(fine, -limit, limit)


def _patch_box(result: LipResult, index: int, picture: tuple[int, int]) -> Box:
    """Whole source pixels that the mask may cover."""
    size = result.crops.shape[1]
    x0, y0, x1, y1 = (size * edge - 0.5 for edge in masks.extent(result.masks[index]))
    return box_around(result.transforms[index], (x0, y0, x1, y1), *picture, margin=1)


def _joined(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _crop_mask(result: LipResult, index: int) -> np.ndarray:
    """How much of the new face may show at each pixel of the crop's lower half, (S/2, S)."""
    size = result.crops.shape[1]
    return masks.on_grid(result.masks[index], size)[size // 2 :] * result.alpha[index]


def _step(values: Array, low: float, high: float, pixels: Pixels) -> Array:
    """Smoothstep from ``low`` to ``high``."""
    t = pixels.within((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)
