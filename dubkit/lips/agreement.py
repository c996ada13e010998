"""How well a mouth says a voice, for the report: the mean cosine of the bundled lip-sync expert's embeddings.

A number to compare (before and after, job with job), no probability: real footage under its own voice has about 0.48, under a
stranger's about 0.30 (docs/training.md). The expert is a relative of the generator's teacher, so it is a kind judge;
``dubkit evaluate lips`` takes the public SyncNet instead where its weights are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np
import torch

from dubkit.lips.models.expert import FRAMES
from dubkit.lips.models.loading import BUNDLED_EXPERT, load_expert

JUDGE = BUNDLED_EXPERT.stem
_RATE, _SIDE, _BATCH = 25, 96, 64
_LEAD = Fraction(1, 25)  # by which the generator's voice window begins before its frame, the expert's with it


def agreement(versions: Sequence[np.ndarray], windows: np.ndarray, rate: Fraction) -> list[float] | None:
    """For each version of the same frames, consecutive crops (N, S, S, 3) uint8 RGB: the mean cosine in [-1, 1] of its mouths
    with the voice in the generator's ``windows`` (N, 1, 80, 16). None for less than five frames of 25 a second."""
    count = int(len(windows) * _RATE / rate)
    times = [Fraction(k, _RATE) for k in range(count)]
    rows = np.array([min(int(t * rate), len(windows) - 1) for t in times], int)
    heard = [min(round((t + _LEAD) * rate), len(windows) - 1) for t in times[: max(0, count - FRAMES + 1)]]
    if not heard:
        return None
    expert, totals = _expert(), np.zeros(len(versions))
    with torch.inference_mode():
        for first in range(0, len(heard), _BATCH):
            last = min(first + _BATCH, len(heard))
            voices = expert.voice(torch.from_numpy(windows[heard[first:last]]))
            for i, crops in enumerate(versions):
                bgr = (
                    torch.from_numpy(_mouths(crops[rows[first : last + FRAMES - 1]])).permute(0, 3, 1, 2).float() / 255
                )
                stacks = torch.stack([bgr[k : k + FRAMES].flatten(0, 1) for k in range(last - first)])
                totals[i] += float((expert.mouth(stacks) * voices).sum())
    return [float(total) for total in totals / len(heard)]


def _mouths(crops: np.ndarray) -> np.ndarray:
    """Lower halves at the expert's size, (N, 48, 96, 3) uint8 BGR."""
    half = crops.shape[1] // 2
    small = [cv2.resize(crop[half:], (_SIDE, _SIDE // 2), interpolation=cv2.INTER_AREA) for crop in crops]
    return np.ascontiguousarray(np.stack(small)[..., ::-1])


@lru_cache(maxsize=1)
def _expert() -> torch.nn.Module:
    return load_expert()
