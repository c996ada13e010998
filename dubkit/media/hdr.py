"""Static HDR metadata: the mastering display (SMPTE ST 2086) and the content's light levels (CTA-861.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction

import av

_CHROMATICITY, _LUMINANCE = 50_000, 10_000  # units a step: 0.00002 and 0.0001 cd/m²


def mastering_display(frames: Iterable[av.VideoFrame]) -> str | None:
    """As x264 and x265 take it: ``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``; None where no frame says it."""
    data = _side_data(frames, "MASTERING_DISPLAY_METADATA", 88)
    if data is None:
        return None
    numbers = struct.unpack("=22i", data)  # AVMasteringDisplayMetadata: R, G, B, white, min, max, two flags
    if not (numbers[20] and numbers[21]) or 0 in numbers[1:20:2]:
        return None
    values = [Fraction(numbers[i], numbers[i + 1]) for i in range(0, 20, 2)]
    red, green, blue, white = (tuple(round(v * _CHROMATICITY) for v in values[i : i + 2]) for i in range(0, 8, 2))
    dark, bright = (round(v * _LUMINANCE) for v in values[8:])
    return f"G{green}B{blue}R{red}WP{white}L{(bright, dark)}".replace(" ", "")


def content_light(frames: Iterable[av.VideoFrame]) -> str | None:
    """``MaxCLL,MaxFALL``, or None."""
    data = _side_data(frames, "CONTENT_LIGHT_LEVEL", 8)
    return None if data is None else "{},{}".format(*struct.unpack("=2I", data[:8]))


def _side_data(frames: Iterable[av.VideoFrame], kind: str, size: int) -> bytes | None:
    for frame in frames:
        for entry in frame.side_data:
            if entry.type.name == kind and len(bytes(entry)) >= size:
                return bytes(entry)[:size]
    return None
