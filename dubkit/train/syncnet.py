"""Train SyncNet of 2016: five whole grey faces against 200 ms of MFCC, contrastive loss with a margin on L2 distance.

Chung and Zisserman, "Out of time". The network is the later public one (``lips/models/syncnet.py``), which takes colour;
the paper's grey is fed as three equal channels. Right pairs and wrong ones (the voice of another moment of the clip) are
drawn half and half.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dubkit.evaluate.mfcc import mfcc
from dubkit.lips.models.syncnet import FRAMES, MFCC_STEPS, SyncNet
from dubkit.train import packed
from dubkit.train.data import Move, Stretch, TalkingFaces
from dubkit.train.losses import contrastive_margin
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Average, Compute, Report, Run, silent

_GREY = torch.tensor([0.114, 0.587, 0.299])  # of BGR, BT.601


@dataclass(frozen=True, slots=True)
class SyncnetSettings:
    """``clips`` clips a step, one right and one wrong pair of each; wrong means at least ``apart`` frames away."""

    clips: int = 16
    apart: int = 4
    margin: float = 20.0
    learning_rate: float = 1e-4
    average: float = 0.995
    shares: dict[str, float] = field(default_factory=lambda: {"lrcar": 0.7, "grid": 0.3})
    seed: int = 0


def train_syncnet(shards: Path, folder: Path, settings: SyncnetSettings = SyncnetSettings(), *, steps: int = 10_000,
                  minutes: float = 600, check_every: int = 100, compute: Compute = Compute(),
                  report: Report = silent) -> SyncNet:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged network; ``minutes`` stops early, calling again goes on."""
    data = talking_faces(shards, "train", compute)
    coefficients = heard_by_syncnet(data)
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = SyncNet().to(compute.device)
    average = Average(model, settings.average)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    parts = {"model": model, "average": average, "optimizer": optimizer}
    run = Run(folder, asdict(settings) | compute.changes(), parts, rng, report)

    for step in run.steps(steps, minutes, check_every):
        optimizer.zero_grad(set_to_none=True)
        for _ in range(compute.accumulate):
            faces, voices = (part.to(compute.device) for part in syncnet_batch(data, coefficients, rng, settings))
            with compute.autocast():
                video, audio = model.train().face(grey_faces(faces)), model.voice(voices)
            in_sync = torch.arange(2 * settings.clips, device=audio.device) < settings.clips
            loss = contrastive_margin(video.float().repeat(2, 1), audio.float(), in_sync, settings.margin)
            (loss / compute.accumulate).backward()
        optimizer.step()
        average.update(model, step)

        if step % 20 == 0:
            run.log(step, loss=loss)
        if run.due(step):
            run.tell(step, loss)
    return average.model


def heard_by_syncnet(data: TalkingFaces) -> list[np.ndarray]:
    """MFCC (13, steps) of every shard."""
    return [
        packed.read_mfcc(data.folder, name) if packed.is_packed(data.folder, name) else mfcc(data.audio(shard))
        for shard, name in enumerate(data.names)
    ]


def syncnet_batch(data: TalkingFaces, coefficients: list[np.ndarray], rng: np.random.Generator,
                  s: SyncnetSettings) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Faces uint8 (clips, 5, 96, 96, 3); MFCC (2 · clips, 1, 13, 20), first the right ones, then the wrong ones."""
    faces, right, wrong = [], [], []
    for clip in data.draw_clips(rng, s.clips, 2 * s.apart + 2 * FRAMES, s.shares):
        last = min(clip.stop - FRAMES, coefficients[clip.shard].shape[1] // 4 - FRAMES)  # MFCC end a little earlier
        first = int(rng.integers(clip.start, last + 1))
        other = int(rng.choice([f for f in range(clip.start, last + 1) if abs(f - first) >= s.apart]))
        faces.append(Stretch(clip, np.arange(first, first + FRAMES), Move.draw(rng)))
        for pile, start in ((right, first), (wrong, other)):
            pile.append(coefficients[clip.shard][:, 4 * start : 4 * start + MFCC_STEPS])
    return data.pictures(faces).unflatten(0, (-1, FRAMES)), torch.from_numpy(np.stack(right + wrong))[:, None]


def grey_faces(faces: torch.Tensor) -> torch.Tensor:
    """uint8 (B, 5, 96, 96, 3) → float (B, 3, 5, 224, 224), grey in all three channels, 0 to 255."""
    grey = (faces.float() @ _GREY.to(faces.device)).flatten(0, 1)[:, None]
    large = F.interpolate(grey, size=(224, 224), mode="bilinear", align_corners=False)
    return large[:, 0].unflatten(0, faces.shape[:2])[:, None].expand(-1, 3, -1, -1, -1)
