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
    mask = _film_mask(result.masks[index], transform, size, patch) * result.alpha[index]
    half = size // 2
    x0, y0, x1, y1 = _joined(region(transform, size, *frame.size, top=half), patch)
    film = frame.rgb((x0, y0, x1, y1), np.float32)
    shown = source_crop(film, shifted(transform, -x0, -y0), size, half)
    change = result.crops[index, half:].astype(np.float32) - shown
    amount = cv2.dilate(np.abs(change).max(axis=2), np.ones((3, 3)))
    amount = cv2.GaussianBlur(amount, (0, 0), 1.2)
    if not (amount > _UNSEEN).any() or not mask.any():
        return frame
    film = film[patch[1] - y0 : patch[3] - y0, patch[0] - x0 : patch[2] - x0]
    inside = from_row(shifted(transform, -patch[0], -patch[1]), half)
    mask *= _enlarged(_step(amount, _UNSEEN, 2.0), inside, film.shape, cv2.INTER_LINEAR)
    painted = _painted(film, shown, change, amount, inside, result.detail)
    return frame.with_patch(patch[0], patch[1], np.clip(painted, 0, 1), mask)


def mask_at(result: LipResult, index: int, size: tuple[int, int]) -> np.ndarray:
    """How much of the new face may show at each pixel of a picture of ``size`` (width, height): (H, W) float32."""
    whole = np.zeros((size[1], size[0]), np.float32)
    x0, y0, x1, y1 = patch = _patch_box(result, index, size)
    shape, edge = result.masks[index], result.crops.shape[1]
    whole[y0:y1, x0:x1] = _film_mask(shape, result.transforms[index], edge, patch) * result.alpha[index]
    return whole


def source_crop(film: np.ndarray, inside: np.ndarray, size: int, top: int = 0) -> np.ndarray:
    """Rows from ``top`` of the crop as the engine shows it to the network: (S - top, S, 3) float32, whole levels 0 to 255."""
    return np.rint(np.clip(cut(film, inside, size, top), 0, 1) * 255)


def _painted(film, shown, change, amount, inside, detail: bool) -> np.ndarray:
    """The new face at the film's resolution, (h, w, 3) float32."""
    coarse = _enlarged(shown, inside, film.shape) / 255
    paint = coarse + _enlarged(change, inside, film.shape) / 255
    if not detail:
        return paint
    new = np.clip(_enlarged(_step(amount, NEW_FROM, NEW_AT), inside, film.shape, cv2.INTER_LINEAR), 0, 1)[..., None]
    pixel = float(np.sqrt(abs(np.linalg.det(inside[:, :2]))))  # source pixels a crop pixel
    crisp = SHARPEN * (paint - cv2.GaussianBlur(paint, (0, 0), max(0.5 * pixel, 0.4))) if pixel > 1 else 0
    return paint + (1 - new) * (film - coarse) + new * (crisp + grain(film))


def grain(film: np.ndarray) -> np.ndarray:
    """The finest structure of a picture with edges limited to the strength of its grain: (h, w, 3)."""
    fine = film - cv2.GaussianBlur(film, (0, 0), 0.8)
    limit = GRAIN_LIMIT * 1.4826 * np.median(np.abs(fine[::2, ::2]), axis=(0, 1))
    return np.clip(fine, -limit, limit)


def _patch_box(result: LipResult, index: int, picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole source pixels that the mask may cover."""
    size = result.crops.shape[1]
    x0, y0, x1, y1 = (size * edge - 0.5 for edge in masks.extent(result.masks[index]))
    return box_around(result.transforms[index], (x0, y0, x1, y1), *picture, margin=1)


def _joined(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _film_mask(shape: np.ndarray, transform: np.ndarray, size: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """The mask on the pixels of ``box``."""
    to_crop = cv2.invertAffineTransform(transform.astype(np.float64))
    y, x = np.mgrid[box[1] : box[3], box[0] : box[2]].astype(np.float32)
    u = (to_crop[0, 0] * x + to_crop[0, 1] * y + to_crop[0, 2] + 0.5) / size
    v = (to_crop[1, 0] * x + to_crop[1, 1] * y + to_crop[1, 2] + 0.5) / size
    return masks.coverage(shape, u, v)


def _enlarged(crop: np.ndarray, inside: np.ndarray, film: tuple[int, ...], flags: int = cv2.INTER_CUBIC) -> np.ndarray:
    return cv2.warpAffine(crop, inside, (film[1], film[0]), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((values - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
