"""The project's lip-sync expert as an active-speaker engine: do these lips say these sounds?

It lives here, beside its network, and ``dubkit.cast.base.SPEAKING`` names it; the cast room knows only the name. For
every window of five pictures the cosine with the voice at the right moment is set against the same cosines a third of a
second and more away: a talking mouth that says something else has no peak there. The ratio of the two Gaussian
models (owner, somebody else) is linear in that difference.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from dubkit.cast.base import Face, SpeakingEngine
from dubkit.lips import mel
from dubkit.lips.crops import transforms
from dubkit.lips.models.expert import FRAMES, mouth_stack
from dubkit.lips.models.loading import BUNDLED_EXPERT, load_expert
from dubkit.types import FaceTrack

RATE = 25
SIDE = 96
NEAR, FAR_FROM, FAR_TO = 1, 8, 20  # windows: taken as in step; taken as the face's own floor
OWNER, SPREAD = (
    0.12,
    0.16,
)  # mean peak of the voice's owner over its floor, and its standard deviation (a stranger's: 0)
INDEPENDENT = (
    0.3  # of an independent look that a window is; windows share four of their five pictures. Both: docs/cast.md
)
BATCH = 64


class Sync(SpeakingEngine):
    name = "sync"
    size = (SIDE, SIDE)
    colour = True

    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        self.net = load_expert(Path(weights) if weights else BUNDLED_EXPERT)
        self._track: tuple[str, np.ndarray] = ("", np.zeros(0))

    def transform(self, track: FaceTrack, row: int) -> np.ndarray:
        if self._track[0] != track.id:
            self._track = track.id, transforms(track, SIDE)
        return cv2.invertAffineTransform(self._track[1][row].astype(np.float64))

    def score(self, face: Face) -> np.ndarray:
        count = max(1, round(len(face.frames) / float(face.rate) * RATE))
        if count < FRAMES + 2 * FAR_FROM:
            return np.zeros(len(face.frames), np.float32)
        last = len(face.frames) - 1
        rows = np.clip(np.floor((np.arange(count) + 0.5) / RATE * float(face.rate)), 0, last).astype(int)
        peak = self.peaks(face.pictures[rows], face.sound)
        odds = (peak * OWNER - OWNER**2 / 2) / SPREAD**2 * INDEPENDENT
        odds = np.concatenate([np.zeros(FRAMES // 2), odds, np.zeros(count - len(odds) - FRAMES // 2)])
        at = np.clip(((np.arange(len(face.frames)) + 0.5) / float(face.rate) * RATE).astype(int), 0, count - 1)
        return (odds[at] * RATE / float(face.rate) * face.speech * face.observed).astype(np.float32)

    def peaks(self, pictures: np.ndarray, sound: np.ndarray) -> np.ndarray:
        """(T - 4,) by how much each window agrees better with its own sound than with sound further away.

        ``pictures`` (T, 96, 96, 3) RGB at 25 fps, ``sound`` 16 kHz mono from the start of the first picture.
        """
        count = len(pictures) - FRAMES + 1
        steps = mel.melspectrogram(sound)
        starts = [round(mel.STEPS_PER_SECOND * i / RATE) for i in range(count)]
        voices = torch.from_numpy(mel.windows(steps, starts))
        mouths, heard = [], []
        with torch.inference_mode():
            for start in range(0, count, BATCH):
                stop = min(count, start + BATCH)
                bgr = torch.from_numpy(pictures[start : stop + FRAMES - 1, ..., ::-1].copy())
                bgr = bgr.permute(0, 3, 1, 2).float() / 255
                stack = mouth_stack(torch.stack([bgr[i : i + FRAMES] for i in range(stop - start)]).transpose(1, 2))
                mouths.append(self.net.mouth(stack))
                heard.append(self.net.voice(voices[start:stop]))
        agreement = (torch.cat(mouths) @ torch.cat(heard).T).numpy()  # picture window × sound window
        apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        near, far = apart <= NEAR, (apart >= FAR_FROM) & (apart <= FAR_TO)
        own = np.where(near, agreement, 0).sum(axis=1) / near.sum(axis=1)
        floor = np.where(far, agreement, 0).sum(axis=1) / np.maximum(far.sum(axis=1), 1)
        return own - floor
