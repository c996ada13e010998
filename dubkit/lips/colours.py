"""The colours that an actor's own mouth and chin have, learnt from all frames of a job, and paint held to them.

Networks of small training tint what they are unsure of, and a green lip is seen at once. Everywhere in the lower face the
two chroma channels are a line over brightness, fitted to all frames of the job in a Gaussian window, drawn to the slope of
the whole lower face where brightness hardly varies; the paint keeps its brightness, and may leave the line by a little less
than the film itself does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
_FLAT = 30.0  # levels²: variance of brightness below which a place's own slope is not trusted


@dataclass(frozen=True, slots=True, eq=False)
class ActorsColours:
    """For pictures of (h, S). Levels of 255."""

    usual: np.ndarray  # (h, S) brightness
    usual_chroma: np.ndarray  # (h, S, 2) red and blue minus brightness
    slope: np.ndarray  # (h, S, 2) of chroma over brightness
    reach: np.ndarray  # (h, S) of brightness around the usual one; beyond it the line is a guess
    room: np.ndarray  # (h, S, 2) by which chroma may leave the line

    @classmethod
    def learnt(cls, blocks: Iterable[np.ndarray]) -> ActorsColours:
        """From the film's own lower faces, at least one, in blocks of (N, h, S, 3)."""
        count, sums = 0, None
        for faces in blocks:
            light, chroma = _light_and_chroma(faces)
            parts = (light, chroma, light**2, light[..., None] * chroma, chroma**2)
            added = [part.sum(axis=0, dtype=np.float64) for part in parts]
            sums = added if sums is None else [a + b for a, b in zip(sums, added, strict=True)]
            count += len(faces)
        usual, usual_chroma, squares, products, chroma_squares = (_near(total / count) for total in sums)
        varies = np.maximum(squares - usual**2, 0)
        together = products - usual[..., None] * usual_chroma
        everywhere = together.sum(axis=(0, 1)) / (varies.sum() + 1)
        slope = (together + _FLAT * everywhere) / (varies[..., None] + _FLAT)
        chroma_varies = np.maximum(chroma_squares - usual_chroma**2, 0)
        unexplained = np.maximum(chroma_varies - slope * (2 * together - slope * varies[..., None]), 0)
        found = usual, usual_chroma, slope, 3 * np.sqrt(varies) + 8, 0.7 * np.sqrt(unexplained) + 1
        return cls(*(values.astype(np.float32) for values in found))

    def held(self, seen: np.ndarray, painted: np.ndarray) -> np.ndarray:
        """``painted`` (N, h, S, 3) in these colours → float32. Where the film's own frame ``seen`` is further off the
        line, the paint may be."""
        light, chroma = _light_and_chroma(seen)
        own = chroma - self._on_line(light)
        light, chroma = _light_and_chroma(painted)
        line = self._on_line(light)
        chroma = line + np.clip(chroma - line, np.minimum(own, -self.room), np.maximum(own, self.room))
        red, blue = light + chroma[..., 0], light + chroma[..., 1]
        green = (light - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
        return np.stack([red, green, blue], axis=-1)

    def _on_line(self, light: np.ndarray) -> np.ndarray:
        return self.usual_chroma + self.slope * np.clip(light - self.usual, -self.reach, self.reach)[..., None]


def _light_and_chroma(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    faces = faces.astype(np.float32, copy=False)
    light = faces @ _LUMA
    return light, np.stack([faces[..., 0] - light, faces[..., 2] - light], axis=-1)


def _near(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), 3.0 * values.shape[1] / 96, borderType=cv2.BORDER_REPLICATE)
