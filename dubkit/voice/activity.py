"""Where a clean dialogue track speaks: its level in 10 ms frames against its own noise floor.

A dub's dialogue has no music under it, so that its level says enough; a film's own sound does not, and there the
diarization knows. Two thresholds (on, off) as in Rabiner & Sambur 1975, then short gaps are bridged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dubkit.types import Segment
from dubkit.voice.tracks import BLOCK, RATE

FRAME = RATE // 100  # samples
SILENCE_DB = -100.0
MIN_GAP, MIN_SPEECH = 0.25, 0.08  # seconds: shorter pauses are part of the speech, shorter sounds are clicks


def frame_levels(blocks: Iterator[np.ndarray]) -> np.ndarray:
    """RMS level in dBFS of every 10 ms, float32 (F,), of mono blocks (1, n)."""
    levels = []
    for block in blocks:
        assert BLOCK % FRAME == 0
        mono = block[0]
        padded = np.pad(mono, (0, -len(mono) % FRAME)).reshape(-1, FRAME)
        power = np.einsum("ij,ij->i", padded, padded) / FRAME
        levels.append(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10))))
    return np.concatenate(levels).astype(np.float32) if levels else np.zeros(0, np.float32)


def speech(levels: np.ndarray, *, min_gap: float = MIN_GAP) -> list[Segment]:
    """Stretches of speech in seconds, in order, none touching the next."""
    if not len(levels) or levels.max() < -60:
        return []
    floor, loud = np.percentile(levels, 10), np.percentile(levels[levels > levels.max() - 40], 75)
    on = max(loud - 30, min(floor + 12, loud - 12))
    off = on - 6
    active = levels > off
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    found: list[list[float]] = []
    for start, stop in edges.reshape(-1, 2):
        if levels[start:stop].max() < on:
            continue
        if found and start / 100 - found[-1][1] < min_gap:
            found[-1][1] = stop / 100
        else:
            found.append([start / 100, stop / 100])
    return [Segment(float(start), float(end)) for start, end in found if end - start >= MIN_SPEECH]


def union(segments: list[Segment]) -> list[Segment]:
    """Sorted, merged where they overlap or touch."""
    merged: list[Segment] = []
    for segment in sorted(segments):
        if merged and segment.start <= merged[-1].end:
            merged[-1] = Segment(merged[-1].start, max(merged[-1].end, segment.end))
        else:
            merged.append(segment)
    return merged


def shared_time(a: list[Segment], b: list[Segment]) -> float:
    """Seconds in which both speak."""
    a, b = union(a), union(b)
    i = j = 0
    total = 0.0
    while i < len(a) and j < len(b):
        total += a[i].overlap(b[j])
        i, j = (i + 1, j) if a[i].end <= b[j].end else (i, j + 1)
    return total


def total_time(segments: list[Segment]) -> float:
    return sum(segment.duration for segment in union(segments))
