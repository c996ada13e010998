"""The second face that Wav2Lip is shown: the same actor, in nearly the same pose, with a mouth as open as the voice asks.

Shown the very frame that it edits, a network leaves the old mouth open where the dub is silent: it has learnt to take what
the reference offers. So every frame of the job whose mouth can be seen may serve as reference, and each frame gets one
whose upper face is near to its own and whose mouth is as open as the new voice is loud at that moment (closed in silence):
teeth, tongue and skin are then the actor's own, and the network has less to invent. Choosing pictures of the same person
by the new sound is the idea of Video Rewrite (Bregler, Covell, Slaney, SIGGRAPH 1997); here it only prepares the ground.
Chosen frames follow one another as they do in the film wherever they can, so mouths move as mouths do. The reference is
moved onto the frame by the parts of the face that do not speak (ECC, Evangelidis & Psarakis, PAMI 2008).
"""

from __future__ import annotations

import cv2
import numpy as np

RANGE_DB = 30.0  # below the job's loudest speech: a mouth is closed there
SAME_POSE = 4.0  # levels of difference of the upper faces that count as the same pose
FIT = 40.0  # levels of pose difference that a wholly wrong mouth is worth
HOP, STEP = 4.0, 0.1  # levels that it costs to go to any other frame of the job, or to its neighbour
ALIKE = 0.9  # correlation of two faces laid over one another, mouths apart; below, noses and chins double

_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 25, 1e-3)
_MIDDLE = ((0.40, 0.46), (0.46, 0.54), (0.54, 0.60))  # of the crop's width


def references(seen: np.ndarray, usable: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Source crops of a job (N, S, S, 3) uint8 → the reference of every frame, the same shape.

    Only ``usable`` (N,) bool frames serve as references; without any, every frame is its own. ``wanted`` (N,) says how
    open the mouth should be: 0 closed, 1 as open as this actor's gets in the job (``opening_of_voice``; zeros for calm).
    A reference that cannot be laid over the frame gives way to the last one that could, and only then to the frame itself:
    its mouth may be quite another, and networks fill that with grey.
    """
    if not usable.any():
        return seen
    shown, last = seen.copy(), None
    for i, chosen in enumerate(choose(seen, usable, wanted)):
        for j in (chosen, last):
            laid = None if j is None else seen[j] if j == i else laid_over(seen[j], seen[i])
            if laid is not None:
                shown[i], last = laid, j
                break
    return shown


def opening_of_voice(windows: np.ndarray) -> np.ndarray:
    """How open a mouth is that makes this sound, (N,) in [0, 1]: the loudness of its vowels (150 Hz to 1.2 kHz) from 30 dB below
    the job's loud speech up. ``windows`` (N, 1, 80, 16) are the generator's voice input."""
    amplitude = 10 ** ((windows[:, 0, 3:30, 3:9] + 4) * 12.5 / 20)  # 20 to 95 ms after the frame begins
    loudness = 20 * np.log10(amplitude.mean(axis=(1, 2)))
    loudest = max(float(np.percentile(loudness, 95)), RANGE_DB)  # 30 dB over silence at least: hiss opens no mouth
    return np.clip((loudness - loudest) / RANGE_DB + 1, 0, 1)


def choose(seen: np.ndarray, usable: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of the reference for every frame, (N,): the cheapest path through the usable frames."""
    count, candidates, upper = len(seen), np.flatnonzero(usable), upper_faces(seen)
    opening = openness(seen[candidates])
    closed, open_ = np.percentile(opening, (5, 95))
    opening = np.clip((opening - closed) / max(open_ - closed, 1e-3), 0, 1)
    best, path = np.zeros(len(candidates)), np.zeros((count, len(candidates)), int)
    for i in range(count):
        pose = np.abs(upper[candidates] - upper[i]).mean(axis=1)
        if i:
            before, best = _step(best, candidates)
            path[i] = before
        best = best + np.maximum(pose - SAME_POSE, 0) + FIT * np.abs(opening - wanted[i])
    chosen, at = np.empty(count, int), int(best.argmin())
    for i in range(count - 1, -1, -1):
        chosen[i], at = at, path[i, at]
    return candidates[chosen]


def upper_faces(seen: np.ndarray) -> np.ndarray:
    """What pose is told by: the brightness of 70 fields of each face above the mouth, (N, 70) float32."""
    count, size = seen.shape[:2]
    cell = size // 12
    blocks = seen[:, : 7 * cell, cell : 11 * cell].reshape(count, 7, cell, 10, cell, 3)
    return blocks.mean(axis=(2, 4, 5), dtype=np.float32).reshape(count, -1)


def _step(best: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each candidate is best come to from, and at what cost: itself, a neighbour in the film, or any other."""
    hop = int(best.argmin())
    near = np.where(np.diff(candidates) == 1, STEP, HOP)
    ways = np.stack([best, np.r_[np.inf, best[:-1] + near], np.r_[best[1:] + near, np.inf],
                     np.full(len(best), best[hop] + HOP)])  # fmt: skip
    at = np.arange(len(best))
    taken = ways.argmin(axis=0)
    return np.stack([at, at - 1, at + 1, np.full(len(at), hop)])[taken, at], ways.min(axis=0)


def openness(seen: np.ndarray) -> np.ndarray:
    """How open each mouth is, (N,), comparable within one job. Lips are redder than what shows between them, teeth or dark: from
    top to bottom the redness (a* of CIELAB) has a valley, and how much water it would hold is the measure."""
    count, size = seen.shape[:2]
    edges = [(round(left * size), round(right * size)) for left, right in _MIDDLE]
    first, last = edges[0][0], edges[-1][1]
    middle = seen[:, round(0.60 * size) : round(0.93 * size), first:last].astype(np.float32) / 255
    lab = cv2.cvtColor(middle.reshape(-1, last - first, 3), cv2.COLOR_RGB2LAB)  # all frames in one tall picture
    red = lab[..., 1].reshape(count, -1, last - first)
    held = np.zeros(count)
    for left, right in edges:
        redness = red[:, :, left - first : right - first].mean(axis=2)
        above = np.maximum.accumulate(redness, axis=1)
        below = np.maximum.accumulate(redness[:, ::-1], axis=1)[:, ::-1]
        held += (np.minimum(above, below) - redness).mean(axis=1) / len(_MIDDLE)
    return held


def laid_over(reference: np.ndarray, frame: np.ndarray) -> np.ndarray | None:
    """``reference`` moved onto ``frame``, both (S, S, 3) uint8, by everything but the mouth; None where the two do not fit."""
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
        return None
    if quality < ALIKE or np.abs(warp[:, :2] - np.eye(2)).max() > 0.25:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(reference, warp, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
