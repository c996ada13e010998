"""When not to: no face, turned away, too small, mouth covered. The source passes through, with a fade, and a note says so."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dubkit.lips.crops import eye_roll, points, smoothed
from dubkit.settings import LipsSettings
from dubkit.types import FaceTrack

MAX_UNSEEN = 15
"""Frames in a row without a detection that a track may bridge; beyond, nobody knows where the mouth is."""

_NOSE_DEPTH = 0.394
"""Nose tip before the plane of eyes and mouth corners, over the distance of the eyes' centres, in the mean face."""

_COVERED = 38.0  # levels of 255 by which skin must differ from the job's median
_COVERED_SHARE = 0.45  # of the skin around the mouth
_LIPS_LEFT = 0.47  # of the job's usual redness; open mouths, smiles and turned heads of film_a keep 0.6 and more
_LIPS_SEEN = 3.0  # units of a* below which lips cannot be told from skin


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """One reason to pass frames through. ``closed`` is (N,) bool."""

    reason: str
    closed: np.ndarray


def track_gates(track: FaceTrack, settings: LipsSettings) -> list[Gate]:
    """What the track itself says, for every frame of the track."""
    boxes = track.boxes
    finite = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    gates = [Gate("no face found", _long_runs(~track.observed, MAX_UNSEEN + 1) | ~finite)]
    height = smoothed(np.where(finite, boxes[:, 3] - boxes[:, 1], 0.0), 3)
    gates.append(Gate(f"face lower than {settings.min_face_px} pixels", height < settings.min_face_px))
    if track.landmarks is not None:
        turned = np.abs(np.degrees(smoothed(yaw(track.landmarks), 3))) > settings.max_yaw
        gates.append(Gate(f"face turned by more than {settings.max_yaw:.0f} degrees", turned))
    elif settings.without_landmarks == "pass":
        gates.append(Gate("no landmarks to tell how the head is turned", np.ones(len(boxes), bool)))
    return gates


def yaw(landmarks: np.ndarray) -> np.ndarray:
    """Turn of the head to either side, (N,) radians, positive where the nose points to the picture's right.

    From how far the nose tip lies beside the line from between the eyes to the mouth, against the distance of the eyes:
    ``tan(yaw) = offset / (0.394 · distance)`` for the mean face (the usual six-point head model).
    """
    five = points(landmarks).astype(np.float64)
    roll = eye_roll(landmarks)
    right = np.stack([np.cos(roll), np.sin(roll)], axis=1)
    x = (five * right[:, None]).sum(axis=2)
    eyes, mouth = x[:, :2].mean(axis=1), x[:, 3:].mean(axis=1)
    distance = np.maximum(np.abs(x[:, 1] - x[:, 0]), 1e-3)
    return np.arctan2(x[:, 2] - (eyes + mouth) / 2, _NOSE_DEPTH * distance)


def covered(crops: np.ndarray) -> Gate:
    """Frames of a job in which something is before the mouth, from its source crops (N, S, S, 3) uint8.

    Two signs, each against the job's median frame. The skin beside and below the mouth looks otherwise (a change that the
    upper face shares is light, not a hand): microphones, cups, sleeves. Or nothing is as red as lips are, which is how
    a hand shows that has the colour of the skin. Cannot see what covers the mouth for most of a job.
    """
    count, size = crops.shape[:2]
    if count < 8:
        return Gate("mouth covered", np.zeros(count, bool))
    cells = crops.reshape(count, 12, size // 12, 12, size // 12, 3).mean(axis=(2, 4)).astype(np.float32)
    upper = cells[:, 3:6, 3:9].mean(axis=(1, 2))
    light = upper - np.median(upper, axis=0)
    skin = np.concatenate([cells[:, 7:11, 2:4].reshape(count, -1, 3), cells[:, 7:11, 8:10].reshape(count, -1, 3),
                           cells[:, 10:11, 4:8].reshape(count, -1, 3)], axis=1)  # fmt: skip
    change = np.abs(skin - np.median(skin, axis=0) - light[:, None]).max(axis=2)
    share = (change > _COVERED).mean(axis=1)
    red = lip_redness(crops)
    usual = float(np.median(red))
    lipless = red < _LIPS_LEFT * usual if usual > _LIPS_SEEN else np.zeros(count, bool)
    return Gate("mouth covered", _long_runs((share > _COVERED_SHARE) | lipless, 2))


def lip_redness(crops: np.ndarray) -> np.ndarray:
    """By how much the reddest of the mouth is redder than the cheeks, (N,) in units of CIELAB's a*."""
    small = [cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32) / 255 for crop in crops]
    red = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 1] for picture in small])
    cheeks = np.concatenate([red[:, 26:38, 7:12], red[:, 26:38, 36:41]], axis=2).reshape(len(red), -1)
    return np.percentile(red[:, 30:42, 16:32].reshape(len(red), -1), 85, axis=1) - np.median(cheeks, axis=1)


def alpha(count: int, fade: tuple[int, int], gates: list[Gate], crossfade: int) -> np.ndarray:
    """(N,) float32: the job's fades at both ends, and 0 at every closed gate with fades around it.

    A ramp of ``k`` frames takes the values smoothstep(1/(k+1)) … smoothstep(k/(k+1)).
    """
    at = np.arange(count)
    ramp = np.minimum((at + 1) / (fade[0] + 1), (count - at) / (fade[1] + 1))
    closed = np.zeros(count, bool)
    for gate in gates:
        closed |= gate.closed
    for bad in np.flatnonzero(closed):
        ramp = np.minimum(ramp, np.abs(at - bad) / (crossfade + 1))
    t = np.clip(ramp, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def notes(frames: np.ndarray, gates: list[Gate]) -> tuple[str, ...]:
    """One sentence for every stretch that was passed through: "frames 120 to 131 passed through: mouth covered"."""
    found = []
    for gate in gates:
        edges = np.flatnonzero(np.diff(np.pad(gate.closed.astype(np.int8), 1)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            found.append(f"frames {frames[start]} to {frames[stop - 1]} passed through: {gate.reason}")
    return tuple(found)


def _long_runs(flags: np.ndarray, least: int) -> np.ndarray:
    """Only the runs of True that last at least so many frames."""
    edges = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    kept = np.zeros(len(flags), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        kept[start:stop] = stop - start >= least
    return kept
