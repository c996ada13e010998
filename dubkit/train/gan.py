"""Train Wav2Lip with the visual-quality discriminator: L = s_w · E_sync + s_g · L_gen + (1 − s_w − s_g) · L1.

Starts from a generator that already reconstructs (``generator.py``). Weights after the public code: s_w 0.03, s_g 0.07,
Adam 1e-4 with β = (0.5, 0.999) for both. The discriminator sees lower halves only and learns after the generator, on the
same pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dubkit.lips.models.discriminator import QualityDiscriminator
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.data import TalkingFaces
from dubkit.train.generator import GeneratorSettings, SyncExpert, generator_batch, mouth_l1, sync_choice
from dubkit.train.losses import mouth_weights, wav2lip_total, weighted_l1
from dubkit.train.runs import Average, Run


@dataclass(frozen=True, slots=True)
class GanSettings:
    """``generator`` says what is drawn and how L1 and sync are weighed; ``discriminator`` is its first layer's width."""

    generator: GeneratorSettings = field(default_factory=lambda: GeneratorSettings(clips=8, frames=5, sync_weight=0.03))
    visual_weight: float = 0.07
    discriminator: int = 8
    learning_rate: float = 1e-4


def train_gan(shards: Path, folder: Path, start_from: Wav2Lip, expert: SyncExpert, settings: GanSettings = GanSettings(),
              *, steps: int = 2000, minutes: float = 600, check_every: int = 100, device: str = "cpu",
              report: Callable[[str], None] = lambda line: None) -> Wav2Lip:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged generator; see ``train_generator`` for the arguments."""
    data, unseen = TalkingFaces(shards, "train"), TalkingFaces(shards, "val")
    draw = settings.generator
    rng = np.random.default_rng(draw.seed)
    torch.manual_seed(draw.seed)

    model = start_from.to(device, memory_format=torch.channels_last)
    judge = QualityDiscriminator(settings.discriminator).to(device)
    expert = expert.to(device).eval().requires_grad_(False)
    average = Average(model, draw.average)
    adam = {"lr": settings.learning_rate, "betas": (0.5, 0.999)}
    making, judging = torch.optim.Adam(model.parameters(), **adam), torch.optim.Adam(judge.parameters(), **adam)
    weights = mouth_weights(model.config.size, draw.mouth).to(device)
    parts = {"model": model, "judge": judge, "average": average, "making": making, "judging": judging}
    run = Run(folder, asdict(settings), parts, rng)
    model.train()

    for step in range(run.restore(), steps):
        batch = generator_batch(data, rng, draw.clips, draw.frames, draw.shares, draw.choices).to(device)
        made = model(batch.mel, batch.shown)
        l1, sync = weighted_l1(made, batch.real, weights), sync_choice(expert, made, batch, draw)
        believed = judge(made)
        visual = F.binary_cross_entropy(believed, torch.ones_like(believed))
        loss = wav2lip_total(l1, sync, draw.sync_weight, visual, settings.visual_weight)
        making.zero_grad(set_to_none=True)
        loss.backward()
        making.step()
        average.update(model, step)

        real, fake = judge(batch.real), judge(made.detach())
        verdict = (
            F.binary_cross_entropy(real, torch.ones_like(real)) + F.binary_cross_entropy(fake, torch.zeros_like(fake))
        ) / 2
        judging.zero_grad(set_to_none=True)
        verdict.backward()
        judging.step()

        over = run.seconds > 60 * minutes or step + 1 == steps
        if step % 20 == 0:
            run.log(step, loss=loss, l1=l1, sync=sync, visual=visual, real=real.mean(), fake=fake.mean())
        if (step + 1) % check_every == 0 or over:
            scores = {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets}
            run.log(step, **scores)
            report(f"step {step + 1}, {run.seconds / 60:.1f} min, loss {loss.item():.4f}, {scores}")
            run.save(step + 1)
        if over:
            break
    return average.model
