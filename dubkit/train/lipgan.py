"""Train LipGAN, a baseline: L1 and a discriminator that hears ("Towards Automatic Face-to-Face Translation", 2019).

The generator is Wav2Lip's; what differs is the judge. It measures the distance of a face from a voice, learns with the
contrastive loss (real and in sync: near; real but out of sync, or made: far), and is trained together with the generator,
on what the generator makes. Wav2Lip's point is that such a judge learns to look for artefacts instead of lips.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from dubkit.lips.models.discriminator import PairDiscriminator
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.train.batches import generator_batch
from dubkit.train.data import TalkingFaces
from dubkit.train.generator import GeneratorSettings, mouth_l1
from dubkit.train.losses import pair_margin, weighted_l1
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Average, Compute, Report, Run, silent
from dubkit.train.strips import write_strip


@dataclass(frozen=True, slots=True)
class LipganSettings:
    """``generator`` says what is drawn; ``margin`` is the distance from which on a wrong pair is far enough."""

    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    discriminator: int = 8
    margin: float = 1.0
    judge_weight: float = 0.01
    learning_rate: float = 1e-3


def train_lipgan(shards: Path, folder: Path, settings: LipganSettings = LipganSettings(), *, steps: int = 2000,
                 minutes: float = 600, check_every: int = 100, compute: Compute = Compute(),
                 report: Report = silent) -> Wav2Lip:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged generator; see ``train_generator`` for the arguments."""
    data, unseen = talking_faces(shards, "train", compute), TalkingFaces(shards, "val")
    draw = settings.generator
    rng = np.random.default_rng(draw.seed)
    torch.manual_seed(draw.seed)

    model = compute.place(Wav2Lip(Wav2LipConfig(**draw.config)))
    judge = PairDiscriminator(settings.discriminator).to(compute.device)
    making = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    judging = torch.optim.AdamW(judge.parameters(), lr=settings.learning_rate / 5)
    average = Average(model, draw.average)
    parts = {"model": model, "judge": judge, "average": average, "making": making, "judging": judging}
    run = Run(folder, asdict(settings) | compute.changes(), parts, rng, report)
    model.train()

    for step in run.steps(steps, minutes, check_every):
        making.zero_grad(set_to_none=True)
        pairs = []
        for _ in range(compute.accumulate):
            batch = generator_batch(data, rng, draw.clips, draw.frames, draw.shares).to(compute.device)
            with compute.autocast():
                made = model(batch.mel, batch.shown).float()
                apart = judge(made, batch.mel).float()
            l1 = weighted_l1(made, batch.real)
            loss = l1 + settings.judge_weight * apart.square().mean()
            (loss / compute.accumulate).backward()
            pairs.append((batch, made.detach()))
        making.step()
        average.update(model, step)

        judging.zero_grad(set_to_none=True)
        for batch, paintings in pairs:
            with compute.autocast():
                near = judge(batch.real, batch.mel).float()
                late = judge(batch.real, batch.mel.roll(1, dims=0)).float()
                fake = judge(paintings, batch.mel).float()
            (pair_margin(near, (late, fake), settings.margin) / compute.accumulate).backward()
        judging.step()

        if step % 20 == 0:
            run.log(step, loss=loss, l1=l1, near=near.mean(), made=apart.mean())
        if run.due(step):
            run.tell(step, loss, {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets})
            write_strip(folder / "strip.png", average.model, unseen)
    return average.model
