"""LSE-D, LSE-C and the AV offset, as the public scoring code computes them.

For every window the voice is compared with the picture at each shift of ±15 frames (25 fps); the distance is averaged over
the windows of a clip. LSE-D is the smallest mean distance, LSE-C the median over the shifts minus that smallest, and the
AV offset 15 minus the position of the smallest: positive where the matching sound is *earlier* than the picture.
Comparisons past the ends run against zeros, as in that code, so clips under a few seconds are biased: the length is part
of the answer. That is kept for the public SyncNet, to be comparable; for the project's expert, whose vectors have length
1 and would all lie *near* a zero, pairs past the ends are left out. LSE-D and LSE-C alone are blind to a constant lag.

Sources: Chung and Zisserman 2016; Prajwal et al. 2020, section 4.2, and their evaluation scripts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dubkit.errors import InputError
from dubkit.types import SyncScore

SHIFTS = 15
_EPSILON = 1e-6  # PyTorch's pairwise_distance adds it to every difference


@dataclass(frozen=True, slots=True, eq=False)
class SyncCurve:
    """Mean distance at each shift, (31,) float32; entry k compares the picture with the voice k − 15 frames later. NaN
    where a short clip has no such pair."""

    distances: np.ndarray
    windows: int

    @property
    def score(self) -> SyncScore:
        least = int(np.nanargmin(self.distances))
        distance = float(self.distances[least])
        return SyncScore(SHIFTS - least, distance, float(np.nanmedian(self.distances)) - distance)

    @property
    def distance_in_place(self) -> float:
        """Mean distance at shift 0: what a viewer gets, whatever the best shift is."""
        return float(self.distances[SHIFTS])


def sync_curve(face: np.ndarray, voice: np.ndarray, zeros_past_ends: bool = True) -> SyncCurve:
    """Curve of one clip from the embeddings (windows, D) of picture and voice, one row a frame. Raises InputError.

    ``zeros_past_ends`` is the public definition; without it only real pairs count.
    """
    if face.shape != voice.shape or face.ndim != 2 or not len(face):
        raise InputError(f"picture and voice embeddings must match, (windows, D); got {face.shape} and {voice.shape}")
    table = distances(face, voice)
    if not zeros_past_ends:
        partner = np.arange(len(face))[:, None] + np.arange(2 * SHIFTS + 1) - SHIFTS
        real = (partner >= 0) & (partner < len(face))
        count = real.sum(axis=0)
        means = np.where(real, table, 0).sum(axis=0) / np.maximum(count, 1)
        return SyncCurve(np.where(count > 0, means, np.nan).astype(np.float32), len(face))
    return SyncCurve(table.mean(axis=0), len(face))


def joined(curves: list[SyncCurve]) -> SyncCurve:
    """One curve of several clips, each weighed by its windows."""
    weights = np.array([curve.windows for curve in curves], np.float64)[:, None]
    table = np.stack([curve.distances for curve in curves])
    there = np.isfinite(table)
    total = (there * weights).sum(axis=0)
    mean = (np.where(there, table, 0) * weights).sum(axis=0) / np.maximum(total, 1)
    return SyncCurve(np.where(total > 0, mean, np.nan).astype(np.float32), int(weights.sum()))


def distances(face: np.ndarray, voice: np.ndarray) -> np.ndarray:
    """(windows, 31) Euclidean distances of every picture window to the voice at every shift; zeros beyond the ends."""
    count = len(face)
    padded = np.pad(np.asarray(voice, np.float32), ((SHIFTS, SHIFTS), (0, 0)))
    face = np.asarray(face, np.float32)
    columns = [padded[shift : shift + count] for shift in range(2 * SHIFTS + 1)]
    return np.stack([np.sqrt(((face - column + _EPSILON) ** 2).sum(axis=1)) for column in columns], axis=1)


def inner_curve(face: np.ndarray, voice: np.ndarray, most: int = SHIFTS) -> np.ndarray:
    """Mean cosine at shifts −most … +most over real pairs only, (2 · most + 1,): for short clips, where the padding of
    the published definition would decide. NaN where the clip has no pair so far apart."""
    face, voice = (_unit(np.asarray(side, np.float64)) for side in (face, voice))
    cosine, count = face @ voice.T, len(face)
    return np.array([cosine.diagonal(s).mean() if abs(s) < count else np.nan for s in range(-most, most + 1)])


def share_out_of_sync(curves: list[SyncCurve], tolerance: int = 1) -> float:
    """Share of clips whose best shift is more than ``tolerance`` frames from 0."""
    if not curves:
        raise InputError("no clip to judge")
    return float(np.mean([abs(curve.score.offset_frames) > tolerance for curve in curves]))


def in_and_out_accuracy(face: np.ndarray, voice: np.ndarray, apart: int = 4) -> float:
    """How often the right voice window is nearer than one at least ``apart`` frames away in the same clip; chance 0.5."""
    cosine = _unit(np.asarray(face, np.float64)) @ _unit(np.asarray(voice, np.float64)).T
    index = np.arange(len(cosine))
    far = np.abs(index[:, None] - index) >= apart
    if not far.any():
        raise InputError(f"a clip of {len(cosine)} windows has none {apart} frames apart")
    right = cosine.diagonal()[:, None]
    return float(((right > cosine) + 0.5 * (right == cosine))[far].mean())


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
