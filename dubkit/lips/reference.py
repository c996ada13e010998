"""The second face that Wav2Lip is shown: the same actor at rest, in nearly the same pose, laid over the frame.

Shown the very frame that it edits, a network leaves the old mouth open where the dub is silent: it has learnt to take what the
reference offers. So a few frames of the job whose mouths are calmest serve as references; each frame gets the one
whose upper face is nearest to its own, without hopping between them, and the reference is moved onto the frame by the parts of
the face that do not speak (ECC, Evangelidis & Psarakis, PAMI 2008).
"""

from __future__ import annotations

import cv2
import numpy as np

CANDIDATES = 24
CALM_SHARE = 0.2  # of the job's frames whose mouths count as calm
HOP = 6.0  # levels of pose difference that a change of reference must gain, summed over the frames it lasts
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 25, 1e-3)


def references(seen: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Source crops of a job (N, S, S, 3) uint8 → the reference of every frame, the same shape. Only ``usable`` (N,) bool
    frames serve as references; without any, every frame is its own."""
    if not usable.any():
        return seen
    chosen = choose(seen, usable)
    return np.stack([laid_over(seen[j], seen[i]) if i != j else seen[i] for i, j in enumerate(chosen)])


def choose(seen: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Index of the reference for every frame, (N,)."""
    count, size = seen.shape[:2]
    grey = seen.astype(np.float32).mean(axis=3)
    order = np.argsort(unrest(seen), kind="stable")
    order = order[usable[order]]
    calm = order[: max(1, round(CALM_SHARE * len(order)))]
    calm = np.sort(calm)[np.unique(np.linspace(0, len(calm) - 1, CANDIDATES).astype(int))]
    cell = size // 12
    upper = grey[:, : 7 * cell, cell : 11 * cell].reshape(count, 7, cell, 10, cell).mean(axis=(2, 4)).reshape(count, -1)
    pose = np.abs(upper[:, None] - upper[calm][None]).mean(axis=2)  # (N, candidates)
    best, path = pose[0], np.zeros(pose.shape, int)
    for i in range(1, count):  # the cheapest way to stay or to hop
        hop = best.argmin()
        stays = best <= best[hop] + HOP
        path[i] = np.where(stays, np.arange(len(calm)), hop)
        best = pose[i] + np.where(stays, best, best[hop] + HOP)
    chosen = np.empty(count, int)
    at = int(best.argmin())
    for i in range(count - 1, -1, -1):
        chosen[i], at = at, path[i, at]
    return calm[chosen]


def unrest(seen: np.ndarray) -> np.ndarray:
    """How far the mouth is from closed, (N,), comparable within one job. Between open lips lie teeth and dark: they spread
    the brightness, stand in upright edges, and are paler than lips and skin."""
    size = seen.shape[1]
    wide = seen[:, round(0.63 * size) : round(0.86 * size), round(0.37 * size) : round(0.63 * size)].mean(axis=3)
    low, high = np.percentile(wide.reshape(len(seen), -1), (4, 96), axis=1)
    upright = np.abs(np.diff(wide, axis=2)).mean(axis=(1, 2))
    middle = seen[:, round(0.67 * size) : round(0.85 * size), round(0.42 * size) : round(0.58 * size)].astype(
        np.float32
    )
    colour = (middle.max(axis=3) - middle.min(axis=3)) / np.maximum(middle.max(axis=3), 1)
    colour = np.stack([cv2.blur(picture, (3, 3)) for picture in colour]).reshape(len(seen), -1)
    pale, usual = np.percentile(colour, (3, 50), axis=1)
    return high - low + 3 * upright + 200 * (1 - pale / np.maximum(usual, 1e-3))


def laid_over(reference: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """``reference`` moved onto ``frame``, both (S, S, 3) uint8, by everything but the mouth. Where that fails the frame itself
    is given back: the network then sees what it edits."""
    size = frame.shape[0]
    still = np.full((size, size), 255, np.uint8)
    still[round(0.60 * size) : round(0.94 * size), round(0.25 * size) : round(0.75 * size)] = 0
    still[:, : size // 8] = still[:, -(size // 8) :] = 0
    to, of = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (frame, reference))
    try:
        quality, warp = cv2.findTransformECC(
            to, of, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, _STEPS, still, 3
        )
    except cv2.error:
        return frame
    if quality < 0.9 or np.abs(warp[:, :2] - np.eye(2)).max() > 0.25:
        return frame
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(reference, warp, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
