"""``Pixels`` in OpenCV, on the CPU. Pictures are (h, w, 3), planes (h, w), float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import cv2
import numpy as np

from dubkit.lips.crops import cut

if TYPE_CHECKING:
    from dubkit.media.frame import Frame


class OpenCVPixels:
    """The ``Pixels`` of ``pixels.py``."""

    name, where = "opencv", "cpu"

    def at_work(self) -> AbstractContextManager[None]:
        return nullcontext()

    def film(self, frame: Frame, box: tuple[int, int, int, int]) -> np.ndarray:
        return frame.rgb(box, np.float32)

    def source_crop(self, film: np.ndarray, inside: np.ndarray, size: int, top: int = 0) -> np.ndarray:
        return np.rint(np.clip(cut(film, inside, size, top), 0, 1) * 255)

    def given(self, array: np.ndarray) -> np.ndarray:
        return array.astype(np.float32)

    def taken(self, crop: np.ndarray) -> np.ndarray:
        return crop.astype(np.uint8)

    def part(self, picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        return picture[box[1] : box[3], box[0] : box[2]]

    def in_three(self, plane: np.ndarray) -> np.ndarray:
        return cv2.merge((plane, plane, plane))  # several times faster than broadcasting over the last axis

    def within(self, values: np.ndarray, low: float, high: float) -> np.ndarray:
        return np.clip(values, low, high)

    def change(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return cv2.dilate(np.abs(a - b).max(axis=2), np.ones((3, 3)))

    def brightness(self, picture: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)

    def typical(self, plane: np.ndarray) -> float:
        return float(np.median(np.abs(plane[::2, ::2])))

    def blurred(self, values: np.ndarray, sigma: float) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), sigma)

    def onto(
        self, inside: np.ndarray, size: tuple[int, int], crop: tuple[int, int]
    ) -> tuple[np.ndarray, tuple[int, int]]:
        return inside, size

    def enlarged(
        self, crop: np.ndarray, onto: tuple[np.ndarray, tuple[int, int]], cubic: bool = True, beyond: bool = True
    ) -> np.ndarray:
        flags = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        border = cv2.BORDER_REPLICATE if beyond else cv2.BORDER_CONSTANT
        return cv2.warpAffine(crop, *onto, flags=flags, borderMode=border)

    def pasted(self, frame: Frame, x0: int, y0: int, paint: np.ndarray, mask: np.ndarray) -> Frame:
        return frame.with_patch(x0, y0, paint, mask)
