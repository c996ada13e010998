"""One picture in its native planes: what the reader yields, the lips patch, and the writer encodes.

A frame keeps the YUV planes of its source from reader to writer. Only a patch is converted to RGB and back, so a pixel
outside every mask is bit-identical at any depth and chroma subsampling. Conversion follows ITU-T H.273 (matrix
coefficients 1, 5/6, 7, 9; narrow and full range).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import cv2
import numpy as np

from dubkit.types import VideoStream

_LUMA = {  # Kr, Kb of H.273 table 4
    "bt709": (0.2126, 0.0722),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the planes of a frame are to be read. ``name`` is always a planar YUV format of ffmpeg, little-endian."""

    name: str  # yuv420p, yuv422p10le ...
    depth: int  # bits a sample: 8 → uint8 planes, more → uint16
    chroma: tuple[int, int]  # log2 of the horizontal and vertical subsampling, as coded (before rotation)
    matrix: str = "bt709"  # a key of H.273's table as ffmpeg calls it; never unknown
    range: str = "tv"  # tv (narrow) | pc (full)
    rotation: int = 0  # degrees clockwise that the planes have been turned for display
    siting: tuple[float, float] = (
        0.0,
        0.5,
    )  # chroma sample in its block of luma pixels: 0 = on the first, 0.5 = between

    @classmethod
    def of(cls, video: VideoStream) -> PixelFormat:
        """The format in which the reader presents ``video``."""
        from dubkit.media.layout import planar_layout

        layout = planar_layout(video.pix_fmt)
        matrix, span = video.color_matrix, video.color_range
        if layout.was_rgb:
            matrix, span = "bt709", "tv"
        if matrix not in _LUMA:
            matrix = "bt709" if video.height >= 720 else "smpte170m"
        if span not in ("tv", "pc"):
            span = "pc" if layout.full_range else "tv"
        siting = (0.5, 0.5) if layout.full_range else (0.0, 0.5)
        return cls(layout.name, layout.depth, layout.chroma, matrix, span, video.rotation, siting)

    @property
    def display_chroma(self) -> tuple[int, int]:
        """``chroma`` of the planes as presented: turned by 90 degrees, 4:2:2 is halved vertically."""
        return self.chroma[::-1] if self.rotation in (90, 270) else self.chroma

    @property
    def dtype(self) -> type:
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def rgb_to_code(self) -> np.ndarray:
        """(3, 4): R, G, B in 0..1 and 1 → Y, U, V in code values."""
        kr, kb = _LUMA[self.matrix]
        luma = np.array([kr, 1 - kr - kb, kb])
        y_offset, y_span, c_offset, c_span = self._levels
        u, v = (np.eye(3)[2] - luma) / (2 * (1 - kb)), (np.eye(3)[0] - luma) / (2 * (1 - kr))
        rows = [[*(luma * y_span), y_offset], [*(u * c_span), c_offset], [*(v * c_span), c_offset]]
        return np.array(rows)

    @property
    def code_to_rgb(self) -> np.ndarray:
        """(3, 4): Y, U, V in code values and 1 → R, G, B in 0..1."""
        return np.linalg.inv(np.vstack([self.rgb_to_code, (0, 0, 0, 1)]))[:3]

    @property
    def _levels(self) -> tuple[float, float, float, float]:
        """Offset and span of luma, offset and span of chroma, in code values."""
        if self.range == "pc":
            top = (1 << self.depth) - 1
            return 0.0, top, 1 << (self.depth - 1), top
        scale = 1 << (self.depth - 8)
        return 16.0 * scale, 219.0 * scale, 128.0 * scale, 224.0 * scale


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture in display orientation. Planes are read-only views: Y, U, V of ``uint8`` or ``uint16``."""

    index: int  # 0-based frame of the film
    planes: tuple[np.ndarray, ...]  # Y (H, W), U and V (H >> shift rounded up, W >> shift rounded up)
    format: PixelFormat

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels after rotation."""
        height, width = self.planes[0].shape
        return width, height

    @classmethod
    def from_rgb(cls, index: int, rgb: np.ndarray, format: PixelFormat) -> Frame:
        """A frame from a whole RGB picture ``(H, W, 3)``, uint8 or float32 in 0..1, display orientation."""
        height, width = rgb.shape[:2]
        quarters = format.rotation // 90
        coded_h, coded_w = (width, height) if quarters % 2 else (height, width)
        sx, sy = format.chroma
        _, _, middle, _ = format._levels
        planes = [np.zeros((coded_h, coded_w), format.dtype)]
        planes += [np.full((-(-coded_h >> sy), -(-coded_w >> sx)), int(middle), format.dtype) for _ in range(2)]
        blank = cls(index, tuple(np.rot90(plane, -quarters) for plane in planes), format)
        if rgb.dtype == np.uint8:
            rgb = rgb.astype(np.float32) / 255
        return blank.with_patch(0, 0, rgb, np.ones((height, width), np.float32))

    def coded_planes(self) -> tuple[np.ndarray, ...]:
        """The planes as the codec stores them: turned back by the source's rotation."""
        quarters = self.format.rotation // 90
        return tuple(np.rot90(plane, quarters) for plane in self.planes) if quarters else self.planes

    def rgb(self, box: tuple[int, int, int, int] | None = None, dtype: type = np.uint8) -> np.ndarray:
        """RGB ``(h, w, 3)`` of ``box`` (x0, y0, x1, y1; none: the whole picture): uint8, or float32 in 0..1.

        Raises ValueError for a box that is empty or leaves the picture.
        """
        box = self.checked(box or (0, 0, *self.size))
        rgb = cv2.transform(cv2.merge(self._samples(self.coded_box(box))), self.format.code_to_rgb)
        rgb = np.rot90(np.clip(rgb, 0.0, 1.0, out=rgb), -(self.format.rotation // 90))
        if np.dtype(dtype) == np.uint8:
            return np.rint(rgb * 255).astype(np.uint8)
        if np.dtype(dtype) == np.float32:
            return np.ascontiguousarray(rgb, np.float32)
        raise ValueError(f"rgb() gives uint8 or float32, not {np.dtype(dtype)}")

    def with_patch(self, x0: int, y0: int, rgb: np.ndarray, mask: np.ndarray) -> Frame:
        """A frame with ``rgb`` (h, w, 3) float32 0..1 blended in at ``(x0, y0)`` by ``mask`` (h, w) float32 0..1.

        Blends in the native planes at full depth. Luma where the mask is 0, and chroma samples whose whole block of the
        mask is 0, stay bit-identical. Raises ValueError for shapes that differ, a patch that leaves the picture, or NaN.
        """
        height, width = mask.shape
        if rgb.shape != (height, width, 3):
            raise ValueError(f"patch {rgb.shape} and mask {mask.shape} do not belong together")
        box = self.checked((x0, y0, x0 + width, y0 + height))
        if not (cv2.checkRange(rgb)[0] and cv2.checkRange(mask)[0]):
            raise ValueError(f"the patch for frame {self.index} at {x0},{y0} has values that are not numbers")
        quarters = self.format.rotation // 90
        rgb = np.ascontiguousarray(np.rot90(np.clip(rgb, 0, 1), quarters), np.float32)
        mask = np.ascontiguousarray(np.rot90(np.clip(mask, 0, 1), quarters), np.float32)
        cx0, cy0, cx1, cy1 = self.coded_box(box)
        luma, *chroma = cv2.split(cv2.transform(rgb, self.format.rgb_to_code))
        planes = self.coded_planes()
        parts = [(cx0, cy0, self._blend(planes[0][cy0:cy1, cx0:cx1], luma, mask))]

        sx, sy = self.format.chroma
        (ux0, uy0, ux1, uy1), border = chroma_blocks((cx0, cy0, cx1, cy1), self.format.chroma)
        wide = np.pad(mask, border)
        weight = to_chroma(wide, (sx, sy), self.format.siting)
        block = reduce(
            np.maximum,
            [wide[1 + y : -1 : 1 << sy, 1 + x : -1 : 1 << sx] for y in range(1 << sy) for x in range(1 << sx)],
        )
        touched = (block > 0) & (weight > 0)
        for plane, new in zip(planes[1:], chroma, strict=True):
            total = to_chroma(np.pad(new, border) * wide, (sx, sy), self.format.siting)
            mean = np.divide(total, weight, out=np.zeros_like(total), where=touched)
            parts.append((ux0, uy0, self._blend(plane[uy0:uy1, ux0:ux1], mean, np.where(touched, weight, 0))))
        return self.with_samples(parts)

    def with_samples(self, parts: Sequence[tuple[int, int, np.ndarray]]) -> Frame:
        """A frame with a part of each of its ``coded_planes`` replaced: left edge, top edge, samples (h, w)."""
        quarters = self.format.rotation // 90
        planes = [np.array(plane) for plane in self.coded_planes()]
        for plane, (left, top, samples) in zip(planes, parts, strict=True):
            plane[top : top + samples.shape[0], left : left + samples.shape[1]] = samples
        turned = tuple(np.rot90(plane, -quarters) if quarters else plane for plane in planes)
        return replace(self, planes=tuple(_frozen(plane) for plane in turned))

    def _blend(self, old: np.ndarray, new: np.ndarray, weight: np.ndarray) -> np.ndarray:
        base = old.astype(np.float32)
        mixed = np.rint(base + weight * (new - base))
        return np.clip(mixed, 0, (1 << self.format.depth) - 1).astype(old.dtype)

    def checked(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """The box in whole pixels. Raises ValueError where it is empty or leaves the picture."""
        x0, y0, x1, y1 = (int(edge) for edge in box)
        width, height = self.size
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(f"the box {x0},{y0},{x1},{y1} is not inside the picture of {width}x{height}")
        return x0, y0, x1, y1

    def coded_box(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """The same pixels in the coordinates of ``coded_planes``."""
        x0, y0, x1, y1 = box
        width, height = self.size
        match self.format.rotation:
            case 90:
                return y0, width - x1, y1, width - x0
            case 180:
                return width - x1, height - y1, width - x0, height - y0
            case 270:
                return height - y1, x0, height - y0, x1
        return box

    def _samples(self, box: tuple[int, int, int, int]) -> list[np.ndarray]:
        """Y, U and V of a coded box in code values, (h, w) float32 each, chroma interpolated to every pixel."""
        x0, y0, x1, y1 = box
        luma, *chroma = self.coded_planes()
        found = [np.ascontiguousarray(luma[y0:y1, x0:x1], np.float32)]
        return found + [_at_every_pixel(plane, box, self.format.chroma, self.format.siting) for plane in chroma]


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _at_every_pixel(
    plane: np.ndarray, box: tuple[int, int, int, int], chroma: tuple[int, int], siting: tuple[float, float]
) -> np.ndarray:
    """A chroma plane at the luma pixels of ``box``, (h, w) float32, linear between its samples, which lie at ``siting``."""
    (left, top, right, bottom), matrix = chroma_window(box, chroma, siting, plane.shape)
    samples = np.ascontiguousarray(plane[top:bottom, left:right], np.float32)
    if chroma == (0, 0):
        return samples[: box[3] - box[1], : box[2] - box[0]]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(samples, matrix, (box[2] - box[0], box[3] - box[1]), flags=flags, borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def chroma_window(
    box: tuple[int, int, int, int], chroma: tuple[int, int], siting: tuple[float, float], shape: tuple[int, int]
) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """The samples (x0, y0, x1, y1) of a chroma plane of ``shape`` that the coded pixels of ``box`` lie between, and the
    affine (2, 3) from a pixel of the box to a position among them."""
    edges = []  # of each axis: first sample needed, the one after the last, position of the box's first pixel, step
    for start, stop, shift, at, size in zip(box[:2], box[2:], chroma, siting, shape[::-1], strict=True):
        step, offset = 1 / (1 << shift), at * ((1 << shift) - 1)
        first, last = (start - offset) * step, (stop - 1 - offset) * step
        low = min(max(0, int(np.floor(first))), size - 1)
        edges.append((low, min(size, int(np.floor(last)) + 2), first - low, step))
    (left, right, x, across), (top, bottom, y, down) = edges
    return (left, top, right, bottom), np.array([[across, 0, x], [0, down, y]])


def chroma_blocks(
    box: tuple[int, int, int, int], chroma: tuple[int, int]
) -> tuple[tuple[int, int, int, int], tuple[tuple[int, int], tuple[int, int]]]:
    """The chroma samples (x0, y0, x1, y1) whose blocks the coded pixels of ``box`` touch, and how far (rows, columns, each
    before and after) the box is from the edge of these blocks and the one pixel more on each side that ``to_chroma`` wants.
    """
    (x0, y0, x1, y1), (sx, sy) = box, chroma
    ux0, uy0, ux1, uy1 = x0 >> sx, y0 >> sy, -(-x1 >> sx), -(-y1 >> sy)
    border = ((y0 - (uy0 << sy) + 1, (uy1 << sy) - y1 + 1), (x0 - (ux0 << sx) + 1, (ux1 << sx) - x1 + 1))
    return (ux0, uy0, ux1, uy1), border


def to_chroma(wide: np.ndarray, chroma: tuple[int, int], siting: tuple[float, float]) -> np.ndarray:
    """Full-resolution values, one pixel wider on each side, to chroma resolution with a kernel centred on the siting."""
    return _reduce_rows(_reduce_rows(wide, chroma[1], siting[1]).T, chroma[0], siting[0]).T


def _reduce_rows(wide: np.ndarray, shift: int, siting: float) -> np.ndarray:
    inner = wide[1:-1]
    if shift == 0:
        return inner
    if shift == 1 and siting == 0.0:
        return 0.25 * wide[0:-2:2] + 0.5 * wide[1:-1:2] + 0.25 * wide[2::2]
    return inner.reshape(-1, 1 << shift, inner.shape[1]).mean(1)
