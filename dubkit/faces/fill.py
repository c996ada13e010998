"""From sightings and flow to a finished track: every frame filled, honestly marked, smoothed centred in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dubkit.faces.flow import Motion
from dubkit.types import FaceTrack, Shot

SMOOTH_PLACE = 7  # frames of a sliding parabola (Savitzky & Golay 1964), which follows a shaking head
SMOOTH_SIZE = 5.0  # frames, standard deviation of a Gaussian
SMOOTH_POINTS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One detection of a face, in proxy pixels."""

    frame: int
    box: np.ndarray  # (4,)
    score: float
    landmarks: np.ndarray | None  # (K, 2)


def finish(
    identity: str,
    shot: Shot,
    sightings: Sequence[Sighting],
    motions: Mapping[int, Motion],
    scale: np.ndarray,
    beyond: int,
) -> FaceTrack:
    """The track of one face in source pixels (proxy pixels times ``scale`` (2,)).

    Between two sightings a frame is placed by flow from the earlier one, and what flow gets wrong on the way is given
    back evenly. A frame is *observed* where the detector or flow saw the face; its score is then the sightings' own,
    lowered by lost flow points. Elsewhere it is interpolated, and its score is 0. Flow alone carries a track at most
    ``beyond`` frames past its last sighting.
    """
    first, last = sightings[0], sightings[-1]
    start, stop = _reach(first, last, motions, shot, beyond)
    frames = np.arange(start, stop, dtype=np.int64)
    points = np.stack([_points(s) for s in sightings])  # (S, 2 + K, 2): the two corners, then landmarks
    shape = np.zeros((len(frames), *points.shape[1:]), np.float32)
    scores, observed = np.zeros(len(frames), np.float32), np.zeros(len(frames), bool)

    before = points[0]
    for frame in range(first.frame, start, -1):  # back to where flow first saw it
        motion, centre = motions[frame], before[:2].mean(axis=0)
        before = (before - centre) / motion.scale + centre - motion.shift
        shape[frame - 1 - start] = before
        scores[frame - 1 - start], observed[frame - 1 - start] = first.score * motion.trust, True
    for i, sighting in enumerate(sightings):
        shape[sighting.frame - start] = points[i]
        scores[sighting.frame - start], observed[sighting.frame - start] = sighting.score, True
        end = sightings[i + 1].frame if i + 1 < len(sightings) else stop
        moved, at, seen = points[i], sighting.frame, True
        for frame in range(at + 1, end):
            moved, seen = _step(moved, motions[frame]), seen and motions[frame].seen
            shape[frame - start] = moved
            if seen:
                scores[frame - start], observed[frame - start] = sighting.score * motions[frame].trust, True
        if i + 1 == len(sightings) or end - at < 2:
            continue
        following = sightings[i + 1]
        trusted = all(motions[frame].seen for frame in range(at + 1, end + 1))
        inner = np.arange(1, end - at, dtype=np.float32)[:, None, None] / (end - at)
        rows = slice(at + 1 - start, end - start)
        if trusted:
            shape[rows] += inner * (points[i + 1] - _step(moved, motions[end]))
        else:
            shape[rows] = points[i] + inner * (points[i + 1] - points[i])
            back = True
            for frame in range(end - 1, at, -1):  # what flow saw backwards from the next sighting is seen as well
                back = back and motions[frame + 1].seen
                if back and not observed[frame - start]:
                    scores[frame - start] = following.score * motions[frame + 1].trust
                    observed[frame - start] = True
    shape = _smooth(shape) * scale
    boxes = shape[:, :2].reshape(len(frames), 4).astype(np.float32)
    landmarks = shape[:, 2:].astype(np.float32) if shape.shape[1] > 2 else None
    return FaceTrack(identity, shot.index, frames, boxes, scores, observed, landmarks)


def _points(sighting: Sighting) -> np.ndarray:
    corners = sighting.box.reshape(2, 2)
    return corners if sighting.landmarks is None else np.concatenate([corners, sighting.landmarks])


def _step(points: np.ndarray, motion: Motion) -> np.ndarray:
    return motion.move(points, points[:2].mean(axis=0))


def _reach(first: Sighting, last: Sighting, motions: Mapping[int, Motion], shot: Shot, beyond: int) -> tuple[int, int]:
    """First frame and frame after the last one that flow sees without a gap from a sighting."""
    start, stop = first.frame, last.frame + 1
    while start > shot.frames.start and start in motions and motions[start].seen:
        start -= 1
    while stop < min(shot.frames.stop, last.frame + 1 + beyond) and stop in motions and motions[stop].seen:
        stop += 1
    return start, stop


def _smooth(shape: np.ndarray) -> np.ndarray:
    """Smooths place, size and inner points separately with symmetric windows, so nothing lags."""
    if len(shape) < 3:
        return shape
    centre = shape[:, :2].mean(axis=1, keepdims=True)
    half = shape[:, 1:2] - centre
    inner = (shape[:, 2:] - centre) / np.maximum(half, 1e-3)
    window = min(SMOOTH_PLACE, len(shape) - 1 + len(shape) % 2)
    place = sliding_parabola(centre, window) if window > 3 else centre
    half, inner = gaussian(half, SMOOTH_SIZE), gaussian(inner, SMOOTH_POINTS)
    return np.concatenate([place - half, place + half, place + inner * half], axis=1)


def gaussian(values: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian over the first axis, ends held: OpenCV's, which is loaded anyway, where SciPy's would load 34 MB."""
    if not values.size:  # a face without inner points
        return values
    flat = np.ascontiguousarray(values, np.float64).reshape(len(values), -1)
    taps = 2 * int(4 * sigma + 0.5) + 1
    held = cv2.BORDER_REPLICATE
    return cv2.GaussianBlur(flat, (1, taps), sigmaX=1, sigmaY=sigma, borderType=held).reshape(values.shape)


def sliding_parabola(values: np.ndarray, window: int) -> np.ndarray:
    """The parabola through each odd ``window`` of the first axis, taken at its middle, and at the ends the first and last one
    whole. What ``scipy.signal.savgol_filter`` gives, without its 34 MB of imports."""
    half = window // 2
    powers = np.vander(np.arange(-half, half + 1.0), 3)
    windows = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    parabolas = windows @ np.linalg.pinv(powers).T  # (N - window + 1, ..., 3)
    ends = (np.moveaxis(parabolas[at] @ powers.T, -1, 0) for at in (0, -1))
    first, last = next(ends)[:half], next(ends)[-half:]
    return np.concatenate([first, parabolas[..., 2], last])
