"""Train LipGAN, a baseline: L1 and a discriminator that hears ("Towards Automatic Face-to-Face Translation", 2019).

The generator is Wav2Lip's; what differs is the judge. It measures the distance of a face from a voice, learns with the
contrastive loss (real and in sync: near; real but out of sync, or made: far), and is trained together with the generator,
on what the generator makes. Wav2Lip's point is that such a judge learns to look for artefacts instead of lips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from dubkit.lips.models.discriminator import PairDiscriminator
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.train.data import TalkingFaces
from dubkit.train.generator import GeneratorSettings, generator_batch, mouth_l1
from dubkit.train.losses import weighted_l1
from dubkit.train.runs import Average, Run


@dataclass(frozen=True, slots=True)
class LipganSettings:
    """``generator`` says what is drawn; ``margin`` is the distance from which on a wrong pair is far enough."""

    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    discriminator: int = 8
    margin: float = 1.0
    judge_weight: float = 0.01
    learning_rate: float = 1e-3


def train_lipgan(shards: Path, folder: Path, settings: LipganSettings = LipganSettings(), *, steps: int = 2000,
                 minutes: float = 600, check_every: int = 100, device: str = "cpu",
                 report: Callable[[str], None] = lambda line: None) -> Wav2Lip:  # fmt: skip
    """Train, or go on training, in ``folder`` → the generator; see ``train_generator`` for the arguments."""
    data, unseen = TalkingFaces(shards, "train"), TalkingFaces(shards, "val")
    draw = settings.generator
    rng = np.random.default_rng(draw.seed)
    torch.manual_seed(draw.seed)

    model = Wav2Lip(Wav2LipConfig(**draw.config)).to(device, memory_format=torch.channels_last)
    judge = PairDiscriminator(settings.discriminator).to(device)
    making = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    judging = torch.optim.AdamW(judge.parameters(), lr=settings.learning_rate / 5)
    average = Average(model, draw.average)
    parts = {"model": model, "judge": judge, "average": average, "making": making, "judging": judging}
    run = Run(folder, asdict(settings), parts, rng)

    for step in range(run.restore(), steps):
        batch = generator_batch(data, rng, draw.clips, draw.frames, draw.shares).to(device)
        made = model.train()(batch.mel, batch.shown)
        l1, apart = weighted_l1(made, batch.real), judge(made, batch.mel)
        loss = l1 + settings.judge_weight * apart.square().mean()
        making.zero_grad(set_to_none=True)
        loss.backward()
        making.step()
        average.update(model, step)

        near = judge(batch.real, batch.mel)
        wrong = judge(batch.real, batch.mel.roll(1, dims=0)), judge(made.detach(), batch.mel)
        verdict = near.square().mean() + sum((settings.margin - d).clamp_min(0).square().mean() for d in wrong) / 2
        judging.zero_grad(set_to_none=True)
        verdict.backward()
        judging.step()

        over = run.seconds > 60 * minutes or step + 1 == steps
        if step % 20 == 0:
            run.log(step, loss=loss, l1=l1, near=near.mean(), made=apart.mean())
        if (step + 1) % check_every == 0 or over:
            scores = {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets}
            run.log(step, **scores)
            report(f"step {step + 1}, {run.seconds / 60:.1f} min, loss {loss.item():.4f}, {scores}")
            run.save(step + 1)
        if over:
            break
    return average.model
