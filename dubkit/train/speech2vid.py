"""Train Speech2Vid, a baseline: one still and a voice → the frame, by L1 alone ("You said that?", BMVC 2017)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from dubkit.lips.models.speech2vid import Speech2Vid
from dubkit.train.batches import generator_batch
from dubkit.train.data import TalkingFaces
from dubkit.train.generator import mouth_l1
from dubkit.train.losses import weighted_l1
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Average, Compute, Report, Run, silent
from dubkit.train.strips import write_strip


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
                     steps: int = 2000, minutes: float = 600, check_every: int = 100, compute: Compute = Compute(),
                     report: Report = silent) -> Speech2Vid:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged network; see ``train_generator`` for the arguments."""
    data, unseen = talking_faces(shards, "train", compute), TalkingFaces(shards, "val")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = compute.place(Speech2Vid(settings.width))
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    average = Average(model, settings.average)
    parts = {"model": model, "average": average, "optimizer": optimizer}
    run = Run(folder, asdict(settings) | compute.changes(), parts, rng, report)

    for step in run.steps(steps, minutes, check_every):
        optimizer.zero_grad(set_to_none=True)
        for _ in range(compute.accumulate):
            batch = generator_batch(data, rng, settings.clips, 1, settings.shares).to(compute.device)
            with compute.autocast():
                made = model.train()(batch.mel, batch.shown[:, 3:]).float()
            loss = weighted_l1(made, batch.real)
            (loss / compute.accumulate).backward()
        optimizer.step()
        average.update(model, step)

        if step % 20 == 0:
            run.log(step, l1=loss)
        if run.due(step):
            run.tell(step, loss, {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets})
            write_strip(folder / "strip.png", average.model, unseen)
    return average.model
