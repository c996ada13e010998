"""Pixel layouts: which planar YUV layout stands for each layout a decoder may give, and its planes as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import av
import numpy as np

from dubkit.errors import MediaError

_SUBSAMPLING = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (0, 1): "440", (2, 0): "411", (2, 2): "410"}
_DEPTHS = {"420": (8, 9, 10, 12, 14, 16), "422": (8, 9, 10, 12, 14, 16), "444": (8, 9, 10, 12, 14, 16),
           "440": (8, 10, 12), "411": (8,), "410": (8,)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """The planar YUV layout in which a source layout is read."""

    name: str  # yuv420p, yuv422p10le ...
    depth: int  # bits
    chroma: tuple[int, int]  # log2 of the horizontal and vertical subsampling
    full_range: bool = False  # a yuvj format: full range whatever the tags say
    was_rgb: bool = False
    gray: bool = False  # the source has no chroma; neutral planes are added
    warning: str | None = None  # what the conversion changes, in plain words


@lru_cache(maxsize=64)
def planar_layout(pix_fmt: str) -> Layout:
    """The nearest planar YUV layout of at least the same depth and chroma. Raises MediaError for what has no pixels."""
    try:
        source = av.VideoFormat(pix_fmt)
    except ValueError as error:
        raise MediaError(f"dubkit cannot read pictures stored as '{pix_fmt}'") from error
    depth = max(component.bits for component in source.components)
    alpha = any(component.is_alpha for component in source.components)
    lost = f"its transparency ({pix_fmt}) is dropped" if alpha else None
    if source.is_rgb or source.has_palette:
        depth = 8 if source.has_palette else depth
        name, depth = _name((0, 0), depth)
        reason = f"its {pix_fmt} pictures are read as {name} (BT.709), because dubkit works in YUV"
        return Layout(name, depth, (0, 0), was_rgb=True, warning=reason + (f"; {lost}" if lost else ""))
    if len(source.components) - alpha == 1:
        name, depth = _name((1, 1), depth)
        return Layout(name, depth, (1, 1), gray=True, warning=lost)
    shifts = ((64 // source.chroma_width(64)).bit_length() - 1, (64 // source.chroma_height(64)).bit_length() - 1)
    name, depth = _name(shifts, depth)
    return Layout(name, depth, shifts, full_range=pix_fmt.startswith("yuvj"), warning=lost)


def _name(shifts: tuple[int, int], depth: int) -> tuple[str, int]:
    family = _SUBSAMPLING.get(shifts, "444")
    depth = next((known for known in _DEPTHS[family] if known >= depth), 16)
    return f"yuv{family}p" + (f"{depth}le" if depth > 8 else ""), depth


def planes_of(picture: av.VideoFrame, layout: Layout) -> tuple[np.ndarray, ...]:
    """Read-only Y, U, V of a decoded picture, as coded; views of the decoder's memory where the layout is already right."""
    dtype = np.uint8 if layout.depth == 8 else np.dtype("<u2")
    if layout.gray:
        plain = "gray" if layout.depth == 8 else f"gray{layout.depth}le"
        gray = _array(_as(picture, plain), 0, picture.width, picture.height, dtype)
        neutral = np.full((-(-picture.height >> 1), -(-picture.width >> 1)), 1 << (layout.depth - 1), dtype)
        neutral.flags.writeable = False
        return gray, neutral, neutral
    if not _same_memory(picture.format.name, layout.name):
        options = {"dst_colorspace": "ITU709", "src_color_range": 2, "dst_color_range": 1} if layout.was_rgb else {}
        picture = picture.reformat(format=layout.name, **options)
    sx, sy = layout.chroma
    small = (-(-picture.width >> sx), -(-picture.height >> sy))
    return tuple(
        _array(picture, plane, *(small if plane else (picture.width, picture.height)), dtype) for plane in range(3)
    )


def _as(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    return picture if picture.format.name == name else picture.reformat(format=name)


def _same_memory(name: str, target: str) -> bool:
    """Whether the first three planes of ``name`` are already those of ``target``."""
    return name in (target, target.replace("yuv", "yuvj"), target.replace("yuv", "yuva"))


def _array(picture: av.VideoFrame, index: int, width: int, height: int, dtype) -> np.ndarray:
    plane = picture.planes[index]
    row = plane.line_size // np.dtype(dtype).itemsize
    array = np.frombuffer(plane, dtype, count=row * height).reshape(height, row)[:, :width]
    array.flags.writeable = False
    return array
