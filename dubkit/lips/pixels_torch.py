"""``Pixels`` in torch, for CUDA. Pictures are (3, h, w), planes (h, w), float32, on the device.

The frame's own code values of the region and of the patch go to the device, the patch's new ones come back, each in one copy.
It was held against OpenCV with torch on a CPU (tests/lips/test_pixels.py); no GPU has run it yet.
Sums are written out where a convolution would do, because cuDNN may round its factors to TF32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dubkit.errors import DubkitError
from dubkit.lips.crops import blur_kernels, from_row
from dubkit.media.frame import chroma_blocks, chroma_window, to_chroma

if TYPE_CHECKING:
    from dubkit.media.frame import Frame


class TorchPixels:
    """The ``Pixels`` of ``pixels.py``. A card that is not here is replaced by the first, without any by the CPU; ``where`` says
    so."""

    name = "torch"

    def __init__(self, device: str):
        wanted, cards = torch.device(device), torch.cuda.device_count()
        here = wanted.type != "cuda" or (wanted.index or 0) < cards
        self.device = wanted if here else torch.device("cuda" if cards else "cpu")
        self.where = str(self.device)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        try:
            with torch.inference_mode():
                yield
        except torch.OutOfMemoryError as error:
            raise DubkitError(
                f"there is not enough memory on {self.where} for one face of one frame; close other programs on it, or "
                "do all of the lips on the CPU: --set lips.device=cpu"
            ) from error

    def film(self, frame: Frame, box: tuple[int, int, int, int]) -> Tensor:
        form, box = frame.format, frame.coded_box(frame.checked(box))
        planes, (x0, y0, x1, y1) = frame.coded_planes(), box
        windows = [chroma_window(box, form.chroma, form.siting, plane.shape) for plane in planes[1:]]
        luma, *chroma = self._up([planes[0][y0:y1, x0:x1]] + [
            plane[top:bottom, left:right]
            for plane, ((left, top, right, bottom), _) in zip(planes[1:], windows, strict=True)
        ])  # fmt: skip
        chroma = torch.stack(chroma)
        grid = self._grid(windows[0][1], (x1 - x0, y1 - y0), chroma.shape[:0:-1])  # U and V lie alike
        codes = torch.cat((luma[None], _sampled(chroma, grid)))
        return torch.rot90(self._transformed(codes, form.code_to_rgb).clamp(0, 1), -(form.rotation // 90), (1, 2))

    def source_crop(self, film: Tensor, inside: np.ndarray, size: int, top: int = 0) -> Tensor:
        across, down = blur_kernels(inside)
        if max(len(across), len(down)) > 1:
            film = _filtered(_filtered(film, across, 2, "replicate"), down, 1, "replicate")
        grid = self._grid(from_row(inside, top), (size, size - top), film.shape[:0:-1])
        return (_sampled(film, grid).clamp(0, 1) * 255).round()

    def given(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return (tensor.permute(2, 0, 1) if array.ndim == 3 else tensor).float()

    def taken(self, crop: Tensor) -> np.ndarray:
        return crop.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

    def part(self, picture: Tensor, box: tuple[int, int, int, int]) -> Tensor:
        return picture[..., box[1] : box[3], box[0] : box[2]]

    def in_three(self, plane: Tensor) -> Tensor:
        return plane

    def within(self, values: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
        return values.clamp(low, high)

    def change(self, a: Tensor, b: Tensor) -> Tensor:
        return F.max_pool2d((a - b).abs().amax(0, keepdim=True), 3, stride=1, padding=1)[0]

    def brightness(self, picture: Tensor) -> Tensor:
        return 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]

    def typical(self, plane: Tensor) -> Tensor:
        ordered = plane[::2, ::2].abs().flatten().sort().values
        return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2

    def blurred(self, values: Tensor, sigma: float) -> Tensor:
        kernel = cv2.getGaussianKernel(round(8 * sigma + 1) | 1, sigma, cv2.CV_32F)[:, 0]  # as long as OpenCV takes it
        return _filtered(_filtered(values, kernel, values.ndim - 1, "mirror"), kernel, values.ndim - 2, "mirror")

    def onto(self, inside: np.ndarray, size: tuple[int, int], crop: tuple[int, int]) -> Tensor:
        return self._grid(cv2.invertAffineTransform(inside.astype(np.float64)), size, crop).float()

    def enlarged(self, crop: Tensor, onto: Tensor, cubic: bool = True, beyond: bool = True) -> Tensor:
        planes = crop if crop.ndim == 3 else crop[None]
        found = _sampled(planes, onto, "bicubic" if cubic else "bilinear", "border" if beyond else "zeros")
        return found if crop.ndim == 3 else found[0]

    def pasted(self, frame: Frame, x0: int, y0: int, paint: Tensor, mask: Tensor) -> Frame:
        form, (height, width) = frame.format, mask.shape
        quarters, top = form.rotation // 90, (1 << form.depth) - 1
        box = frame.coded_box(frame.checked((x0, y0, x0 + width, y0 + height)))
        if not (torch.isfinite(paint).all() & torch.isfinite(mask).all()):
            raise ValueError(f"the patch for frame {frame.index} at {x0},{y0} has values that are not numbers")
        paint, mask = torch.rot90(paint.clamp(0, 1), quarters, (1, 2)), torch.rot90(mask.clamp(0, 1), quarters)
        luma, *chroma = self._transformed(paint, form.rgb_to_code)
        blocks, (rows, columns) = chroma_blocks(box, form.chroma)
        boxes = [box, blocks, blocks]
        planes = zip(frame.coded_planes(), boxes, strict=True)
        codes = self._up([plane[v0:v1, u0:u1] for plane, (u0, v0, u1, v1) in planes])

        wide = F.pad(mask, (*columns, *rows))
        weight = to_chroma(wide, form.chroma, form.siting)
        steps = [(y, x) for y in range(1 << form.chroma[1]) for x in range(1 << form.chroma[0])]
        block = reduce(torch.maximum, [wide[1 + y : -1 : 1 << form.chroma[1], 1 + x : -1 : 1 << form.chroma[0]] for y, x in steps])  # fmt: skip
        touched = (block > 0) & (weight > 0)
        new, weights = [luma], [mask] + 2 * [torch.where(touched, weight, 0)]
        for plane in chroma:
            total = to_chroma(F.pad(plane, (*columns, *rows)) * wide, form.chroma, form.siting)
            new.append(torch.where(touched, total / weight, 0))
        mixed = [(old + w * (to - old)).round().clamp(0, top) for old, w, to in zip(codes, weights, new, strict=True)]
        samples = _split(torch.cat([plane.flatten() for plane in mixed]), boxes, form.dtype)
        return frame.with_samples([(*at[:2], plane) for at, plane in zip(boxes, samples, strict=True)])

    def _up(self, planes: Sequence[np.ndarray]) -> list[Tensor]:
        """Planes of uint8 or uint16 in one copy, as float32 code values."""
        flat = np.concatenate([plane.ravel() for plane in planes])
        signed = flat.view(np.int16) if flat.dtype == np.uint16 else flat  # torch does little with uint16
        held = torch.from_numpy(signed).to(self.device)
        held = (held.int() & 0xFFFF).float() if flat.dtype == np.uint16 else held.float()
        parts = held.split([plane.size for plane in planes])
        return [part.reshape(plane.shape) for part, plane in zip(parts, planes, strict=True)]

    def _transformed(self, planes: Tensor, matrix: np.ndarray) -> Tensor:
        """(3, h, w) through a (3, 4) affine of values."""
        m = torch.from_numpy(matrix.astype(np.float32)).to(self.device)[..., None, None]
        return (m[:, :3] * planes).sum(1) + m[:, 3]

    def _grid(self, matrix: np.ndarray, size: tuple[int, int], source: tuple[int, int]) -> Tensor:
        """``matrix`` (2, 3) takes pixels of a picture of ``size`` (width, height) to pixels of a source: what ``grid_sample``
        wants to know, (h, w, 2), the source's outer edges at -1 and 1. float64: a region of 2000 pixels is long for float32."""
        (a, b, c), (d, e, f) = (2 / np.array(source)[:, None] * matrix.astype(np.float64)).tolist()
        u = torch.arange(size[0], dtype=torch.float64, device=self.device)
        v = torch.arange(size[1], dtype=torch.float64, device=self.device)[:, None]
        return torch.stack(
            (a * u + (b * v + (c + 1 / source[0] - 1)), d * u + (e * v + (f + 1 / source[1] - 1))), dim=2
        )


def _split(codes: Tensor, boxes: Sequence[tuple[int, int, int, int]], dtype: type) -> list[np.ndarray]:
    """Code values in one copy to NumPy, a plane for each box."""
    sizes = [(y1 - y0, x1 - x0) for x0, y0, x1, y1 in boxes]
    signed = codes.to(torch.uint8) if dtype == np.uint8 else codes.int().to(torch.int16)
    parts = np.split(signed.cpu().numpy().view(dtype), np.cumsum([h * w for h, w in sizes])[:-1])
    return [part.reshape(size) for part, size in zip(parts, sizes, strict=True)]


def _sampled(source: Tensor, grid: Tensor, how: str = "bilinear", beyond: str = "border") -> Tensor:
    """(C, h, w) at the grid's positions, in its precision; torch's cubic has OpenCV's parameter, -0.75."""
    found = F.grid_sample(source[None].to(grid.dtype), grid[None], how, beyond, align_corners=False)
    return found[0].float()


def _filtered(values: Tensor, kernel: np.ndarray, axis: int, border: str) -> Tensor:
    """Filtered along one axis; beyond the edge its last pixel ("replicate") or the mirrored ones after it ("mirror")."""
    radius, length = len(kernel) // 2, values.shape[axis]
    at = torch.arange(-radius, length + radius, device=values.device)
    if border == "mirror":
        period = max(2 * (length - 1), 1)
        at = at.remainder(period)
        at = torch.minimum(at, period - at)
    padded = values.index_select(axis, at.clamp(0, length - 1))
    found = torch.zeros_like(values)
    for i, weight in enumerate(kernel.tolist()):
        found.add_(padded.narrow(axis, i, length), alpha=weight)
    return found
