"""Telling faces of one film apart without any network: edges of the face, colours of skin, hair and what is around.

It knows nothing about people; it only notices that this picture looks like that one. Within a scene, where light and
clothes stay the same, that goes a long way; across scenes it stays silent and the voices decide.
"""

from __future__ import annotations

import cv2
import numpy as np

from dubkit.faces.embed import Embedder

CELLS, BINS = 8, 8


class Appearance(Embedder):
    name = "appearance"
    size = 96

    def embed(self, picture: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
        strength, angle = cv2.cartToPolar(dx, dy)
        sector = (angle / (2 * np.pi) * BINS).astype(int) % BINS
        step = self.size // CELLS
        edges = np.stack([np.where(sector == b, strength, 0) for b in range(BINS)], axis=-1)
        edges = edges.reshape(CELLS, step, CELLS, step, BINS).sum(axis=(1, 3))
        edges = np.sqrt(edges / (edges.sum(axis=2, keepdims=True) + 50.0 * step)).ravel()
        lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
        tint = cv2.calcHist([lab], [1, 2], None, [16, 16], [96, 160, 96, 160]).ravel()
        light = cv2.calcHist([lab], [0], None, [8], [0, 256]).ravel()
        parts = [(edges - edges.mean(), 0.5), (np.sqrt(tint), 0.4), (np.sqrt(light), 0.1)]
        return np.concatenate([np.sqrt(share) * part / max(np.linalg.norm(part), 1e-6) for part, share in parts])
