"""Cutting a person out of a portrait: GrabCut (Rother et al. 2004) inside a narrow band around the traced outline."""

from __future__ import annotations

import cv2
import numpy as np

from dubkit.demo.portraits import Point

_BAND = 4  # pixels on both sides of the outline that GrabCut may decide


def cut_out(image: np.ndarray, outline: tuple[Point, ...], scale: float) -> np.ndarray:
    """The person as RGBA uint8 (H·scale, W·scale, 4), enlarged with Lanczos.

    The colours of the edge come from inside the person, so that no light background shines through the hair.
    """
    person = _mask(image, outline)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    large = cv2.resize(image, size, interpolation=cv2.INTER_LANCZOS4).astype(np.float32)
    soft = cv2.resize(person.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(soft, (0, 0), 1.1 * scale)
    soft = np.clip((soft - 0.52) / 0.40, 0, 1)  # the edge moves inwards by about a pixel
    alpha = soft * soft * (3 - 2 * soft)

    inner = cv2.erode(person, np.ones((3, 3), np.uint8), iterations=2).astype(np.float32)
    inner = cv2.resize(inner, size, interpolation=cv2.INTER_LINEAR)
    sigma = 2.2 * scale
    near = cv2.GaussianBlur(large * inner[..., None], (0, 0), sigma)
    near /= np.maximum(cv2.GaussianBlur(inner, (0, 0), sigma), 1e-3)[..., None]
    own = np.clip((alpha - 0.8) / 0.2, 0, 1)[..., None]
    colours = np.clip(large * own + near * (1 - own), 0, 255)
    return np.dstack([colours, alpha * 255]).round().astype(np.uint8)


def _mask(image: np.ndarray, outline: tuple[Point, ...]) -> np.ndarray:
    """1 where the person is, uint8 (H, W)."""
    traced = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(traced, [np.int32(outline)], 1)
    # The picture's border is no edge of the person: repeat it, so that the distance counts from real edges only.
    padded = cv2.copyMakeBorder(traced, _BAND + 1, _BAND + 1, _BAND + 1, _BAND + 1, cv2.BORDER_REPLICATE)
    crop = np.s_[_BAND + 1 : -_BAND - 1, _BAND + 1 : -_BAND - 1]
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[crop]
    outside = cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)[crop]
    labels = np.where(
        traced > 0,
        np.where(inside > _BAND, cv2.GC_FGD, cv2.GC_PR_FGD),
        np.where(outside > _BAND, cv2.GC_BGD, cv2.GC_PR_BGD),
    ).astype(np.uint8)
    cv2.setRNGSeed(7)  # GrabCut starts from a random clustering
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.medianBlur(person * 255, 5) // 255
    _, parts, stats, _ = cv2.connectedComponentsWithStats(person)
    return (parts == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
