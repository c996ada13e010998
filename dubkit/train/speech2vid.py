"""Train Speech2Vid, a baseline: one still and a voice → the frame, by L1 alone ("You said that?", BMVC 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from dubkit.lips.models.speech2vid import Speech2Vid
from dubkit.train.data import TalkingFaces
from dubkit.train.generator import generator_batch
from dubkit.train.losses import weighted_l1
from dubkit.train.runs import Average, Run


@dataclass(frozen=True, slots=True)
class Speech2VidSettings:
    """``clips`` single frames a step, each with a still from elsewhere in its clip."""

    width: int = 8
    clips: int = 32
    learning_rate: float = 1e-3
    average: float = 0.995
    shares: dict[str, float] = field(default_factory=lambda: {"lrcar": 0.7, "grid": 0.3})
    seed: int = 0


def train_speech2vid(shards: Path, folder: Path, settings: Speech2VidSettings = Speech2VidSettings(), *,
                     steps: int = 2000, minutes: float = 600, save_every: int = 100, device: str = "cpu",
                     report: Callable[[str], None] = lambda line: None) -> Speech2Vid:  # fmt: skip
    """Train, or go on training, in ``folder`` → the network; see ``train_generator`` for the arguments."""
    data = TalkingFaces(shards, "train")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = Speech2Vid(settings.width).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    average = Average(model, settings.average)
    run = Run(folder, asdict(settings), {"model": model, "average": average, "optimizer": optimizer}, rng)

    for step in range(run.restore(), steps):
        batch = generator_batch(data, rng, settings.clips, 1, settings.shares).to(device)
        loss = weighted_l1(model.train()(batch.mel, batch.shown[:, 3:]), batch.real)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(model, step)

        over = run.seconds > 60 * minutes or step + 1 == steps
        if step % 20 == 0:
            run.log(step, l1=loss)
        if (step + 1) % save_every == 0 or over:
            report(f"step {step + 1}, {run.seconds / 60:.1f} min, L1 {loss.item():.4f}")
            run.save(step + 1)
        if over:
            break
    return average.model
