"""The interface of what cuts crops out of film frames and paints into them, and who does it where.

``blend.py`` says what is done; a ``Pixels`` does it on arrays of its own kind. To add one, write a file beside this one with
a class that has these members, and name it in ``pixels_on`` and ``pixels_of``.

A result is put back by the way that cut its crops, wherever that runs: what is added to the film is the change from the crop
the network saw, and still skin would tremble if two ways differed in their last level. On CUDA that is torch. On a CPU
it is OpenCV, several times faster there than torch, and on MPS too: positions need float64, which MPS does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.lips.pixels_opencv import OpenCVPixels

if TYPE_CHECKING:
    from dubkit.media.frame import Frame

Array = Any
"""A picture (three channels, RGB) or a plane of float32, in the order and on the device of its ``Pixels``."""

Box = tuple[int, int, int, int]
"""Whole pixels x0, y0, x1, y1."""

OPENCV = OpenCVPixels()


class Pixels(Protocol):
    """Pictures of the film are 0 to 1, crops whole levels 0 to 255."""

    name: str
    """For records: a piece of film says by it how it was made."""

    where: str
    """The device as torch names it."""

    def at_work(self) -> AbstractContextManager[None]:
        """Around all that follows. Raises DubkitError when the device's memory does not suffice."""
        ...

    def film(self, frame: Frame, box: Box) -> Array:
        """A part of the frame, RGB."""
        ...

    def source_crop(self, film: Array, inside: np.ndarray, size: int, top: int = 0) -> Array:
        """Rows from ``top`` of the crop (see ``crops.cut``) as the network is shown it, whole levels."""
        ...

    def given(self, array: np.ndarray) -> Array:
        """A crop (h, w, 3) or plane (h, w) of NumPy, any type, as float32."""
        ...

    def taken(self, crop: Array) -> np.ndarray:
        """A crop of whole levels as (h, w, 3) uint8."""
        ...

    def part(self, picture: Array, box: Box) -> Array: ...

    def in_three(self, plane: Array) -> Array:
        """The plane as something that a picture can be multiplied by."""
        ...

    def within(self, values: Array, low: Any, high: Any) -> Array:
        """Limited to ``low`` and ``high``."""
        ...

    def change(self, a: Array, b: Array) -> Array:
        """The plane of the largest difference in any channel, of each pixel and the eight around it."""
        ...

    def brightness(self, picture: Array) -> Array:
        """Luma of BT.601, a plane."""
        ...

    def typical(self, plane: Array) -> Any:
        """The median absolute value of every other pixel of every other row."""
        ...

    def blurred(self, values: Array, sigma: float) -> Array:
        """Gaussian of that standard deviation in pixels, mirrored at the edges."""
        ...

    def onto(self, inside: np.ndarray, size: tuple[int, int], crop: tuple[int, int]) -> Any:
        """How a crop lies on a picture, of these sizes (width, height): ``inside`` takes crop pixels to picture pixels."""
        ...

    def enlarged(self, crop: Array, onto: Any, cubic: bool = True, beyond: bool = True) -> Array:
        """The crop (or plane) on the picture's pixels, cubic (a = -0.75) or linear; beyond its edge its last pixels, or 0."""
        ...

    def pasted(self, frame: Frame, x0: int, y0: int, paint: Array, mask: Array) -> Frame:
        """``Frame.with_patch``: pixels where the mask is 0 stay bit-identical."""
        ...


def pixels_on(device: str) -> Pixels:
    """For new crops, beside a generator on that device (as torch names it)."""
    return _torch(device) if device.partition(":")[0] == "cuda" else OPENCV


def pixels_of(stats: Mapping[str, object]) -> Pixels:
    """For a finished ``LipResult.stats``: the way that cut its crops, on its device where this machine has it, else on the CPU.

    Raises EngineUnavailable where torch cut them and is not here.
    """
    return _torch(str(stats.get("device", "cuda"))) if way_of(stats) == "torch" else OPENCV


def record(pixels: Pixels) -> dict[str, object]:
    """What the ``stats`` of a result say about the way that cut its crops. OpenCV says nothing, so that results stay as they
    always were."""
    return {} if pixels.name == OPENCV.name else {"pixels": pixels.name}


def way_of(stats: Mapping[str, object]) -> str:
    """The ``name`` of the way that cut a result's crops."""
    return str(stats.get("pixels", OPENCV.name))


@cache
def _torch(device: str) -> Pixels:
    try:
        from dubkit.lips.pixels_torch import TorchPixels
    except ImportError as error:
        raise EngineUnavailable(
            "putting back lips that were made on a GPU", "torch is not installed", "pip install torch"
        ) from error
    return TorchPixels(device)
