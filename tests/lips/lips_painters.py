"""Generators for tests: what they paint is known."""

from __future__ import annotations

import numpy as np


class ColourPainter:
    """Paints the lower half in one colour; runs out of memory above ``limit`` faces at once."""

    def __init__(self, size: int = 96, colour=(30, 60, 90), limit: int = 10**6, batch: int = 8):
        self.size, self.colour, self.limit, self.batch, self.batches = size, colour, limit, batch, []
        self.about = {"engine": "colour", "weights_digest": "none"}

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        self.batches.append(len(crops))
        if len(crops) > self.limit:
            raise MemoryError("too many faces")
        assert windows.shape == (len(crops), 1, 80, 16) and windows.dtype == np.float32
        painted = crops.copy()
        painted[:, self.size // 2 :] = self.colour
        return painted


class LoudnessPainter(ColourPainter):
    """Darkens the mouth by how loud its window is."""

    def generate(self, windows: np.ndarray, crops: np.ndarray, references: np.ndarray) -> np.ndarray:
        painted = crops.copy()
        for i, window in enumerate(windows):
            painted[i, 64:80, 32:64] = np.clip(255 * (window.mean() + 4) / 8, 0, 255)
        return painted
