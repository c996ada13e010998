"""Lips that move of their own, in step with the loudness. No weights, no download.

Two independent signs are summed as log-likelihood ratios:

*Level.* Dense optical flow between neighbouring pictures of the upright face, minus the affine motion of eyes and nose
(so that nodding, turning and walking cancel), leaves the mouth's own motion in pixels of a 96-pixel face. Talking
mouths and listening or still ones are two log-normal distributions of it.

*Step.* Where both are standardised, mouth motion and loudness correlate at about ``STEP`` on the talking face and at 0
on every other; the ratio of the two Gaussian models is linear in their product.

Neighbouring frames say nearly the same thing, so each counts only as a share of an independent observation.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from dubkit.cast.base import SOUND_RATE, Face, SpeakingEngine

SIDE = 96
# log of mouth motion, pixels a frame at 25 fps: mean and standard deviation. Talking: GRID and the project's own films;
# silent: wider, from photographs (0) to smiles and sighs.
TALKING, SILENT = (np.log(0.33), 0.55), (np.log(0.04), 1.3)
FLOOR = 0.004  # pixels: motion that the codec makes
GLITCH = 1.5  # pixels: more in one frame is a jump of the track
LEVEL_RANGE = (-3.0, 2.0)  # no single moment says more than this
LEVEL_FRAMES = 12  # frames at 25 fps that make one independent observation of the level
STEP, STEP_FRAMES = 0.25, 8  # frames: where two faces talk, the step tells less than its size (docs/cast.md)
SMALL = 48.0  # pixels; a face less tall than this counts less


class Motion(SpeakingEngine):
    name = "motion"
    size = (SIDE, SIDE)

    def score(self, face: Face) -> np.ndarray:
        pace = float(face.rate) / 25
        moving = mouth_motion(face.pictures) * pace
        mean = uniform_filter1d(np.minimum(moving, GLITCH), max(3, round(LEVEL_FRAMES * pace) | 1), mode="nearest")
        level = np.minimum(np.log(mean + FLOOR), TALKING[0])  # more than a talking mouth's is no evidence against it
        ratio = np.clip(_normal(level, *TALKING) - _normal(level, *SILENT), *LEVEL_RANGE) / (LEVEL_FRAMES * pace)
        alike = _standard(np.log(moving + 0.05), face.speech) * _standard(_loudness(face), face.speech)
        step = np.where(face.speech, np.clip(alike, -3, 3) * STEP - STEP**2 / 2, 0.0) / (STEP_FRAMES * pace)
        weight = np.clip(face.size / SMALL, 0.0, 1.0) * face.observed
        return ((ratio + step) * weight).astype(np.float32)


def mouth_motion(pictures: np.ndarray) -> np.ndarray:
    """(N,) pixels a frame that the mouth of an upright face (N, 96, 96) moves beyond what the head does."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    rigid = (y >= 22) & (y < 56) & (x >= 22) & (x < 74)  # eyes and nose
    mouth = (y >= 60) & (y < 90) & (x >= 26) & (x < 70)
    basis = np.stack([np.ones_like(x), x - SIDE / 2, y - SIDE / 2], axis=-1)
    fit = np.linalg.pinv(basis[rigid])
    moved = np.zeros(len(pictures), np.float32)
    before = cv2.GaussianBlur(pictures[0], (0, 0), 1.0)
    for i in range(1, len(pictures)):
        now = cv2.GaussianBlur(pictures[i], (0, 0), 1.0)
        flow = cv2.calcOpticalFlowFarneback(before, now, None, 0.5, 2, 13, 2, 5, 1.1, 0)
        own = flow[mouth] - basis[mouth] @ (fit @ flow[rigid])
        moved[i] = np.linalg.norm(own, axis=1).mean()
        before = now
    if len(moved) > 1:
        moved[0] = moved[1]
    return moved


def _loudness(face: Face) -> np.ndarray:
    """(N,) log of the sound's level in each frame, smoothed over the time a mouth needs."""
    edges = np.round(np.arange(len(face.frames) + 1) / float(face.rate) * SOUND_RATE).astype(int)
    power = np.add.reduceat(np.append(face.sound**2, 0), np.minimum(edges[:-1], len(face.sound) - 1))
    return gaussian_filter1d(np.log(np.sqrt(power / np.diff(edges)) + 1e-3), 1.0)


def _standard(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance over the chosen frames; zeros where nothing varies."""
    chosen = values[where] if where.any() else values
    deviation = float(chosen.std())
    return (values - chosen.mean()) / deviation if deviation > 1e-3 else np.zeros_like(values)


def _normal(x: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    """Log density of a normal distribution."""
    return -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation)
