"""Talking faces in a GPU's memory: the same draws as ``TalkingFaces``, looked up and augmented there.

A network of the bundled width learns from thousands of frames a second; a processor cannot cut that many. Here all
pictures lie on the device as bytes, and a step uploads only indices and augmentations. Crops differ from OpenCV's by less
than two levels of 255 (another rounding of the same bilinear sampling).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dubkit.errors import SettingsError
from dubkit.lips.mel import SILENCE, WINDOW_STEPS, window_start
from dubkit.train.crops import CROP, STORED
from dubkit.train.data import RATE, Move, Stretch, TalkingFaces
from dubkit.train.runs import Compute

_SHARE = 0.5  # of the free memory that data may take; the rest is for the networks
_PADDING = WINDOW_STEPS  # mel steps around each shard, as ``mel.windows`` sees them, so that no window leaves it
_PLAIN = Move()


def talking_faces(folder: Path, split: str, compute: Compute) -> TalkingFaces:
    """The clips of a split where ``compute`` wants them. Raises SettingsError where they must be resident and do not fit."""
    data = TalkingFaces(folder, split)
    wanted = compute.device.startswith("cuda") if compute.resident is None else compute.resident
    if not wanted:
        return data
    need, free = sum(faces.nbytes for faces in data.faces), _free(compute.device)
    if need <= _SHARE * free:
        return ResidentFaces(data, compute.device)
    if compute.resident:
        raise SettingsError(f"the {split} split takes {need / 1e9:.1f} GB and may take half of the {free / 1e9:.1f} GB free "
                            f"on {compute.device}; leave out the demand for resident data")  # fmt: skip
    return data


class ResidentFaces(TalkingFaces):
    """``data`` on ``device``; single clips (for checks and strips) still come from the host."""

    def __init__(self, data: TalkingFaces, device: str):
        vars(self).update(vars(data))
        self.device = device
        self._first = np.cumsum([0, *(len(faces) for faces in data.faces)])
        self._stored = torch.empty((int(self._first[-1]), STORED, STORED, 3), dtype=torch.uint8, device=device)
        for first, faces in zip(self._first, data.faces, strict=False):  # a shard at a time: never all of them twice
            self._stored[first : first + len(faces)] = torch.from_numpy(np.array(faces))
        before = (np.pad(mel, ((0, 0), (_PADDING, 0)), mode="reflect") for mel in data.mels)
        padded = [np.pad(mel, ((0, 0), (0, _PADDING)), constant_values=SILENCE) for mel in before]
        self._mel_first = np.cumsum([0, *(mel.shape[1] for mel in padded)]) + _PADDING
        self._mel = torch.from_numpy(np.concatenate(padded, axis=1)).to(device)

    def pictures(self, draws: Sequence[Stretch]) -> Tensor:
        rows = np.concatenate([self._first[d.clip.shard] + d.frames for d in draws])
        moves = [d.move or _PLAIN for d in draws]
        per_draw = np.array([(m.dx, m.dy, m.scale, -1.0 if m.flip else 1.0, m.gain, m.lift) for m in moves], np.float32)
        dx, dy, scale, mirror, gain, lift = self._up(per_draw.repeat([len(d.frames) for d in draws], axis=0)).T
        stored = self._stored[self._up(rows)].permute(0, 3, 1, 2).float()
        theta = torch.zeros(len(rows), 2, 3, device=self.device)
        theta[:, 0, 0], theta[:, 1, 1] = scale * mirror * CROP / STORED, scale * CROP / STORED
        theta[:, 0, 2], theta[:, 1, 2] = dx * 2 / STORED, dy * 2 / STORED
        grid = F.affine_grid(theta, [len(rows), 3, CROP, CROP], align_corners=False)
        cut = F.grid_sample(stored, grid, mode="bilinear", padding_mode="border", align_corners=False).round()
        cut = (cut * gain[:, None, None, None] + lift[:, None, None, None]).clamp(0, 255)
        return cut.to(torch.uint8).permute(0, 2, 3, 1)

    def frame_voices(self, draws: Sequence[Stretch]) -> Tensor:
        return self._windows(draws, lambda frame: window_start(int(frame), RATE))

    def stack_voices(self, draws: Sequence[Stretch]) -> Tensor:
        return self._windows(draws, lambda frame: int(frame) * 80 // 25)

    def _windows(self, draws: Sequence[Stretch], start_of) -> Tensor:
        starts = np.array([self._mel_first[d.clip.shard] + start_of(f) for d in draws for f in d.frames])
        louder = np.array([d.loudness for d in draws for _ in d.frames], np.float32)
        columns = self._up(starts)[:, None] + torch.arange(WINDOW_STEPS, device=self.device)
        found = self._mel[:, columns].permute(1, 0, 2)[:, None]  # (N, 1, 80, 16)
        return (found + self._up(louder)[:, None, None, None]).clamp(-4, 4)

    def _up(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _free(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    return 1 << 62  # host memory is the operating system's business
