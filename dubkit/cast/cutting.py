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
    """``cv2.warpAffine`` that averages instead of skipping pixels where the picture becomes smaller.

    Blocks of whole pixels are averaged: OpenCV does that five times as fast as any other reduction.
    """
    matrix = np.asarray(matrix, np.float64)
    linear, back, half = matrix[:, :2], cv2.invertAffineTransform(matrix), np.array(size) / 2
    middle, reach = back[:, :2] @ half + back[:, 2], np.abs(back[:, :2]) @ half
    block = max(1, int(1 / max(abs(np.linalg.det(linear)) ** 0.5, 1e-6)))
    (x0, x1), (y0, y1) = (
        _blocks(middle[i] - reach[i], middle[i] + reach[i], plane.shape[1 - i], block) for i in range(2)
    )
    part = plane[y0:y1, x0:x1]
    if block > 1:
        small = max(1, part.shape[1] // block), max(1, part.shape[0] // block)
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
    moved = np.column_stack([linear * block, matrix[:, 2] + linear @ (np.array([x0, y0]) + block / 2 - 0.5)])
    return cv2.warpAffine(part, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _blocks(first: float, last: float, length: int, block: int) -> tuple[int, int]:
    """Whole blocks that hold the pixels from ``first`` to ``last`` and a little more, as far as ``length`` has them."""
    start = min(max(int(np.floor(first)) - block, 0), max(0, length - block))
    count = (min(int(np.ceil(last)) + block, length) - start) // block
    return start, min(start + max(1, count) * block, length)
