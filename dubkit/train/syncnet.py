"""Train SyncNet of 2016: five whole grey faces against 200 ms of MFCC, contrastive loss with a margin on L2 distance.

Chung and Zisserman, "Out of time". The network is the later public one (``lips/models/syncnet.py``), which takes colour;
the paper's grey is fed as three equal channels. Right pairs and wrong ones (the voice of another moment of the clip) are
drawn half and half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dubkit.evaluate.mfcc import mfcc
from dubkit.lips.models.syncnet import FRAMES, MFCC_STEPS, SyncNet
from dubkit.train.data import Move, TalkingFaces
from dubkit.train.losses import contrastive_margin
from dubkit.train.runs import Run

_GREY = torch.tensor([0.114, 0.587, 0.299])  # of BGR, BT.601


@dataclass(frozen=True, slots=True)
class SyncnetSettings:
    """``clips`` clips a step, one right and one wrong pair of each; wrong means at least ``apart`` frames away."""

    clips: int = 16
    apart: int = 4
    margin: float = 20.0
    learning_rate: float = 1e-4
    shares: dict[str, float] = field(default_factory=lambda: {"lrcar": 0.7, "grid": 0.3})
    seed: int = 0


def train_syncnet(shards: Path, folder: Path, settings: SyncnetSettings = SyncnetSettings(), *, steps: int = 10_000,
                  minutes: float = 600, save_every: int = 100, device: str = "cpu",
                  report: Callable[[str], None] = lambda line: None) -> SyncNet:  # fmt: skip
    """Train, or go on training, in ``folder`` → the network; ``minutes`` stops early, calling again goes on."""
    data = TalkingFaces(shards, "train")
    coefficients = [mfcc(data.audio(shard)) for shard in range(len(data.faces))]
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = SyncNet().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    run = Run(folder, asdict(settings), {"model": model, "optimizer": optimizer}, rng)

    for step in range(run.restore(), steps):
        faces, voices = syncnet_batch(data, coefficients, rng, settings)
        video = model.train().face(grey_faces(faces).to(device)).repeat(2, 1)
        audio = model.voice(voices.to(device))
        in_sync = torch.arange(2 * settings.clips, device=audio.device) < settings.clips
        loss = contrastive_margin(video, audio, in_sync, settings.margin)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

        over = run.seconds > 60 * minutes or step + 1 == steps
        if step % 20 == 0:
            run.log(step, loss=loss)
        if (step + 1) % save_every == 0 or over:
            report(f"step {step + 1}, {run.seconds / 60:.1f} min, loss {loss.item():.3f}")
            run.save(step + 1)
        if over:
            break
    return model.eval()


def syncnet_batch(data: TalkingFaces, coefficients: list[np.ndarray], rng: np.random.Generator,
                  s: SyncnetSettings) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Faces uint8 (clips, 5, 96, 96, 3); MFCC (2 · clips, 1, 13, 20), first the right ones, then the wrong ones."""
    faces, right, wrong = [], [], []
    for clip in data.draw_clips(rng, s.clips, 2 * s.apart + 2 * FRAMES, s.shares):
        last = min(clip.stop - FRAMES, coefficients[clip.shard].shape[1] // 4 - FRAMES)  # MFCC end a little earlier
        first = int(rng.integers(clip.start, last + 1))
        other = int(rng.choice([f for f in range(clip.start, last + 1) if abs(f - first) >= s.apart]))
        faces.append(data.crops(clip, np.arange(first, first + FRAMES), Move.draw(rng)))
        for pile, start in ((right, first), (wrong, other)):
            pile.append(coefficients[clip.shard][:, 4 * start : 4 * start + MFCC_STEPS])
    return torch.from_numpy(np.stack(faces)), torch.from_numpy(np.stack(right + wrong))[:, None]


def grey_faces(faces: torch.Tensor) -> torch.Tensor:
    """uint8 (B, 5, 96, 96, 3) → float (B, 3, 5, 224, 224), grey in all three channels, 0 to 255."""
    grey = (faces.float() @ _GREY).flatten(0, 1)[:, None]
    large = F.interpolate(grey, size=(224, 224), mode="bilinear", align_corners=False)
    return large[:, 0].unflatten(0, faces.shape[:2])[:, None].expand(-1, 3, -1, -1, -1)
