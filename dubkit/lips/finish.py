"""From what the network painted to what is put into the film: in the actor's colours, still skin left still.

Works on whole jobs at the crop's resolution, because both steps look at neighbouring frames; ``blend.py`` then needs one
frame at a time.
"""

from __future__ import annotations

import cv2
import numpy as np

from dubkit.lips import masks
from dubkit.lips.crops import smoothed

MATCH_SMOOTHING = 4.0  # frames
KEEP_BELOW, CHANGE_ABOVE = 2.0, 9.0
"""Levels of 255: a painted pixel that differs by less stays the source's, one that differs by more is the network's."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
_FLAT = 30.0  # levels²: variance of brightness below which a place's own slope is not trusted
_OUTLIER = 18.0  # levels by which a ring pixel may differ from the ring's median and still count for the colour


def finish(seen: np.ndarray, painted: np.ndarray, shapes: np.ndarray, match_color: bool = True) -> np.ndarray:
    """Source crops and network crops of a job, both (N, S, S, 3) uint8 → the crops to blend in, the same shape.

    The upper half is the source's. ``shapes`` (N, 6) are the mask's parameters.
    """
    count, size = seen.shape[:2]
    half = size // 2
    change = painted[:, half:].astype(np.float32) - seen[:, half:]
    if match_color and count:
        change -= colour_step(change, shapes, size)
        change = actors_colours(seen[:, half:], seen[:, half:] + change) - seen[:, half:]
    change *= moved(change)[..., None]
    finished = seen.copy()
    finished[:, half:] = np.clip(np.rint(seen[:, half:] + change), 0, 255)
    return finished


def actors_colours(seen: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The paint with its own brightness, but only in colours that this actor's mouth and chin have at that place and
    brightness: both (N, h, S, 3), levels of 255 → float32. Networks of small training tint what they are unsure of, and a green
    lip is seen at once.

    Everywhere the two chroma channels are a line over brightness, fitted to all frames of the job in a Gaussian window,
    drawn to the slope of the whole lower face where brightness hardly varies; the paint may leave the line by a little
    less than the film itself does.
    """
    film, paint = (faces.astype(np.float32) for faces in (seen, painted))
    light, chroma = _light_and_chroma(film)
    usual = _near(light.mean(axis=0))
    usual_chroma = _near(chroma.mean(axis=0))
    varies = np.maximum(_near((light**2).mean(axis=0)) - usual**2, 0)
    together = _near((light[..., None] * chroma).mean(axis=0)) - usual[..., None] * usual_chroma
    chroma_varies = np.maximum(_near((chroma**2).mean(axis=0)) - usual_chroma**2, 0)
    everywhere = together.sum(axis=(0, 1)) / (varies.sum() + 1)
    slope = (together + _FLAT * everywhere) / (varies[..., None] + _FLAT)
    unexplained = np.maximum(chroma_varies - slope * (2 * together - slope * varies[..., None]), 0)
    room = 0.7 * np.sqrt(unexplained) + 1
    reach = 3 * np.sqrt(varies) + 8  # beyond it the line is a guess

    def on_line(light: np.ndarray) -> np.ndarray:
        return usual_chroma + slope * np.clip(light - usual, -reach, reach)[..., None]

    own = chroma - on_line(light)  # where the film itself is further off, the paint may be
    light, chroma = _light_and_chroma(paint)
    line = on_line(light)
    chroma = line + np.clip(chroma - line, np.minimum(own, -room), np.maximum(own, room))
    red, blue = light + chroma[..., 0], light + chroma[..., 1]
    green = (light - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
    return np.stack([red, green, blue], axis=-1)


def _light_and_chroma(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    light = faces @ _LUMA
    return light, np.stack([faces[..., 0] - light, faces[..., 2] - light], axis=-1)


def _near(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), 3.0 * values.shape[1] / 96, borderType=cv2.BORDER_REPLICATE)


def colour_step(change: np.ndarray, shapes: np.ndarray, size: int) -> np.ndarray:
    """By how much the paint misses the skin's colour, (N, S/2, S, 3): for every frame and channel a plane fitted to the
    mask's soft edge, without what really moved there, smoothed in time."""
    half = size // 2
    y, x = np.mgrid[0:half, 0:size].astype(np.float32)
    basis = np.stack([np.ones_like(x), x / size - 0.5, y / half - 0.5], axis=-1)
    planes = np.zeros((len(change), 3, 3))
    for i, (difference, shape) in enumerate(zip(change, shapes, strict=True)):
        inside = masks.ring(shape, size)[half:]
        values, design = difference[inside].astype(np.float64), basis[inside].astype(np.float64)
        for channel in range(3):
            target = values[:, channel]
            usual = np.abs(target - np.median(target)) < _OUTLIER if len(target) else np.zeros(0, bool)
            if usual.sum() >= 50:
                weighted = design[usual].T @ design[usual] + np.diag([0.0, 20.0, 20.0])  # tilt only where it is certain
                planes[i, :, channel] = np.linalg.solve(weighted, design[usual].T @ target[usual])
    planes = smoothed(planes, MATCH_SMOOTHING)
    return np.einsum("yxb,nbc->nyxc", basis, planes.astype(np.float32), optimize=True)


def moved(change: np.ndarray) -> np.ndarray:
    """Where something really moved, (N, S/2, S) in [0, 1], soft in space and time: elsewhere the film's own pixels stay,
    with their grain and without the network's tremble."""
    amount = np.abs(cv_blur(change, 1.2)).max(axis=-1)
    amount = smoothed(amount, 1.0) if len(amount) else amount
    t = np.clip((amount - KEEP_BELOW) / (CHANGE_ABOVE - KEEP_BELOW), 0, 1)
    return t * t * (3 - 2 * t)


def cv_blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over each picture of (N, H, W, C)."""
    blurred = np.empty_like(pictures)
    for i, picture in enumerate(pictures):
        blurred[i] = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return blurred
