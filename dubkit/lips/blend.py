"""Putting new lips into a film frame so that nobody sees where.

What is added is the *change* from the crop the network saw to the crop it painted, enlarged to the film's resolution. Where
nothing changes the film's pixels stay as they are, to the last bit; where little changes the film keeps its own fine
structure; where the mouth is new it is sharpened and gets the film's grain, but not the old mouth's edges. One frame in, one
frame out, no memory: any frame can be made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from dubkit.lips import masks
from dubkit.lips.crops import box_around, cut, from_row, region, shifted
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
            frame = _with_lips(frame, result, index)
    return frame


def _with_lips(frame: Frame, result: LipResult, index: int) -> Frame:
    size, transform = result.crops.shape[1], result.transforms[index]
    patch = _patch_box(result, index, frame.size)
    half = size // 2
    x0, y0, x1, y1 = _joined(region(transform, size, *frame.size, top=half), patch)
    film = frame.rgb((x0, y0, x1, y1), np.float32)
    shown = source_crop(film, shifted(transform, -x0, -y0), size, half)
    painted = result.crops[index, half:].astype(np.float32)
    amount = cv2.dilate(np.abs(painted - shown).max(axis=2), np.ones((3, 3)))
    amount = cv2.GaussianBlur(amount, (0, 0), 1.2)
    mask = _crop_mask(result, index) * _step(amount, _UNSEEN, 2.0)
    if not mask.any():
        return frame
    inside = from_row(shifted(transform, -patch[0], -patch[1]), half)
    film = film[patch[1] - y0 : patch[3] - y0, patch[0] - x0 : patch[2] - x0]
    paint = _enlarged(painted / 255, inside, film)
    if result.detail:
        paint = _with_detail(paint, film, shown, amount, inside)
    return frame.with_patch(patch[0], patch[1], paint, _mask_enlarged(mask, inside, film))


def mask_at(result: LipResult, index: int, size: tuple[int, int]) -> np.ndarray:
    """How much of the new face may show at each pixel of a picture of ``size`` (width, height): (H, W) float32."""
    whole = np.zeros((size[1], size[0]), np.float32)
    x0, y0, x1, y1 = _patch_box(result, index, size)
    inside = from_row(shifted(result.transforms[index], -x0, -y0), result.crops.shape[1] // 2)
    whole[y0:y1, x0:x1] = _mask_enlarged(_crop_mask(result, index), inside, whole[y0:y1, x0:x1])
    return whole


def source_crop(film: np.ndarray, inside: np.ndarray, size: int, top: int = 0) -> np.ndarray:
    """Rows from ``top`` of the crop as the engine shows it to the network: (S - top, S, 3) float32, whole levels 0 to 255."""
    return np.rint(np.clip(cut(film, inside, size, top), 0, 1) * 255)


def _with_detail(
    paint: np.ndarray, film: np.ndarray, shown: np.ndarray, amount: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The new face, (h, w, 3), with the film's own fine structure where it changes little, sharp and grainy where it is new."""
    own = film - _enlarged(shown / 255, inside, film)
    new = cv2.min(_enlarged(_step(amount, NEW_FROM, NEW_AT), inside, film, cv2.INTER_LINEAR), 1.0)
    fresh = _in_three(grain(film)) - own
    pixel = float(np.sqrt(abs(np.linalg.det(inside[:, :2]))))  # source pixels a crop pixel
    if pixel > 1:
        fresh += SHARPEN * (paint - cv2.GaussianBlur(paint, (0, 0), max(0.5 * pixel, 0.4)))
    return paint + own + _in_three(new) * fresh


def grain(film: np.ndarray) -> np.ndarray:
    """The finest structure of a picture's brightness, (h, w), with edges limited to the strength of its grain. Film grain
    and sensor noise live in the luma at this scale: what the chroma has of it, subsampling and codecs have taken away."""
    grey = cv2.cvtColor(film, cv2.COLOR_RGB2GRAY)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 0.8)
    limit = GRAIN_LIMIT * 1.4826 * float(np.median(np.abs(fine[::2, ::2])))
    return np.clip(fine, -limit, limit, out=fine)


def _patch_box(result: LipResult, index: int, picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole source pixels that the mask may cover."""
    size = result.crops.shape[1]
    x0, y0, x1, y1 = (size * edge - 0.5 for edge in masks.extent(result.masks[index]))
    return box_around(result.transforms[index], (x0, y0, x1, y1), *picture, margin=1)


def _joined(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _crop_mask(result: LipResult, index: int) -> np.ndarray:
    """How much of the new face may show at each pixel of the crop's lower half, (S/2, S)."""
    size = result.crops.shape[1]
    return masks.on_grid(result.masks[index], size)[size // 2 :] * result.alpha[index]


def _mask_enlarged(mask: np.ndarray, inside: np.ndarray, film: np.ndarray) -> np.ndarray:
    """A mask of the crop's lower half on the film's pixels; beyond the crop it is 0."""
    return cv2.warpAffine(mask, inside, film.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _enlarged(crop: np.ndarray, inside: np.ndarray, film: np.ndarray, flags: int = cv2.INTER_CUBIC) -> np.ndarray:
    return cv2.warpAffine(crop, inside, film.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _in_three(plane: np.ndarray) -> np.ndarray:
    """(h, w) → (h, w, 3): several times faster than broadcasting over the last axis."""
    return cv2.merge((plane, plane, plane))


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((values - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
