"""A face cut out of a frame's planes: averaged where it is made smaller, and only a small picture is turned into RGB."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from dubkit.media.frame import Frame


def cut(frame, matrix: np.ndarray, size: tuple[int, int], colour: bool) -> np.ndarray:
    """Picture of ``size`` (width, height) of the frame through an affine ``matrix`` (2, 3), source pixels to picture.

    Grey (H, W) uint8 is the frame's own luma; ``colour`` gives RGB (H, W, 3) uint8. Beyond the frame its edge goes on.
    """
    luma = warp(frame.planes[0], matrix, size)
    if not colour:
        return luma if luma.dtype == np.uint8 else (luma >> (frame.format.depth - 8)).astype(np.uint8)
    step = np.array([1 << shift for shift in frame.format.display_chroma], np.float64)
    coarse = matrix.astype(np.float64).copy()  # from chroma samples, which lie between luma samples
    coarse[:, 2] += coarse[:, :2] @ (np.array(frame.format.siting) * (step - 1))
    coarse[:, :2] *= step
    planes = (luma, *(warp(plane, coarse, size) for plane in frame.planes[1:]))
    return Frame(frame.index, planes, replace(frame.format, chroma=(0, 0), rotation=0)).rgb()


def warp(plane: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``cv2.warpAffine`` that averages instead of skipping pixels where the picture becomes smaller."""
    width, height = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    seen = corners @ cv2.invertAffineTransform(np.asarray(matrix, np.float64)).T
    limits = np.array([plane.shape[1], plane.shape[0]])
    x0, y0 = np.clip(np.floor(seen.min(axis=0)) - 2, 0, limits - 1).astype(int)
    x1, y1 = np.clip(np.ceil(seen.max(axis=0)) + 2, [x0 + 1, y0 + 1], limits).astype(int)
    part = np.ascontiguousarray(plane[y0:y1, x0:x1])
    linear, offset = np.array(matrix[:, :2], np.float64), matrix[:, 2] + matrix[:, :2] @ np.array([x0, y0])
    fewer = int(1 / max(np.sqrt(abs(np.linalg.det(linear))), 1e-6))
    if fewer >= 2:
        small = (max(1, part.shape[1] // fewer), max(1, part.shape[0] // fewer))
        factor = np.array([part.shape[1] / small[0], part.shape[0] / small[1]])
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        offset = offset + linear @ (factor / 2 - 0.5)
        linear = linear * factor
    moved = np.concatenate([linear, offset[:, None]], axis=1)
    return cv2.warpAffine(part, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
