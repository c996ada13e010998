"""Train Wav2Lip with the visual-quality discriminator: L = s_w · E_sync + s_g · L_gen + (1 − s_w − s_g) · L1.

Starts from a generator that already reconstructs (``generator.py``). Weights after the public code: s_w 0.03 (there from
``sync_below`` 0.75 on), s_g 0.07, Adam 1e-4 with β = (0.5, 0.999) for both, the rate falling as in
``generator.py``. The discriminator sees lower halves only and learns after the generator, on the
same pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dubkit.lips.losses import SyncExpert
from dubkit.lips.models.discriminator import QualityDiscriminator
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.data import TalkingFaces
from dubkit.train.generator import GeneratorSettings, SyncStart, draw_batch, mouth_l1, sync_of
from dubkit.train.losses import mouth_in_grey, mouth_weights, picture_loss, wav2lip_total
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Average, Compute, Report, Run, learning_rate, silent
from dubkit.train.strips import write_strip


@dataclass(frozen=True, slots=True)
class GanSettings:
    """``generator`` says what is drawn and how L1 and sync are weighed; ``discriminator`` is its first layer's width."""

    generator: GeneratorSettings = field(default_factory=lambda: GeneratorSettings(clips=8, frames=5, sync_weight=0.03))
    visual_weight: float = 0.07
    discriminator: int = 8
    learning_rate: float = 1e-4


def train_gan(shards: Path, folder: Path, start_from: Wav2Lip, expert: SyncExpert, settings: GanSettings = GanSettings(),
              *, steps: int = 2000, minutes: float = 600, check_every: int = 100, compute: Compute = Compute(),
              report: Report = silent) -> Wav2Lip:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged generator; see ``train_generator`` for the arguments."""
    data, unseen = talking_faces(shards, "train", compute), TalkingFaces(shards, "val")
    draw = settings.generator
    rng = np.random.default_rng(draw.seed)
    torch.manual_seed(draw.seed)

    model = compute.place(start_from)
    judge = QualityDiscriminator(settings.discriminator).to(compute.device)
    expert = expert.to(compute.device).eval().requires_grad_(False)
    average = Average(model, draw.average)
    adam = {"lr": settings.learning_rate, "betas": (0.5, 0.999)}
    making, judging = torch.optim.Adam(model.parameters(), **adam), torch.optim.Adam(judge.parameters(), **adam)
    weights, sync_start = mouth_weights(model.config.size, draw.mouth).to(compute.device), SyncStart(draw.sync_below)
    parts = {
        "model": model,
        "judge": judge,
        "average": average,
        "making": making,
        "judging": judging,
        "sync_start": sync_start,
    }
    run = Run(folder, asdict(settings) | compute.changes(), parts, rng, report)
    model.train()

    for step in run.steps(steps, minutes, check_every):
        rate = learning_rate(settings.learning_rate, draw.warmup, step, steps)
        making.param_groups[0]["lr"] = judging.param_groups[0]["lr"] = rate
        making.zero_grad(set_to_none=True)
        pairs = []
        for _ in range(compute.accumulate):
            batch = draw_batch(data, rng, draw, draw.choices)
            batch, sync, sync_weight = batch.to(compute.device), 0.0, 0.0
            with compute.autocast():
                made = model(batch.mel, batch.shown).float()
            l1 = picture_loss(made, batch.real, weights, draw.edges, draw.colour)
            with compute.autocast():
                if sync_start.counts:
                    judged = mouth_in_grey(made, batch.real) if draw.sync_in_grey else made
                    sync, sync_weight = sync_of(expert, judged, batch.voices, draw), draw.sync_weight
                believed = judge(made).float()
            visual = F.binary_cross_entropy(believed, torch.ones_like(believed))
            loss = wav2lip_total(l1, sync, sync_weight, visual, settings.visual_weight)
            (loss / compute.accumulate).backward()
            pairs.append((batch.real, made.detach()))
        making.step()
        average.update(model, step)

        judging.zero_grad(set_to_none=True)
        for photographs, paintings in pairs:
            with compute.autocast():
                real, fake = judge(photographs).float(), judge(paintings).float()
            verdict = (
                F.binary_cross_entropy(real, torch.ones_like(real))
                + F.binary_cross_entropy(fake, torch.zeros_like(fake))
            ) / 2
            (verdict / compute.accumulate).backward()
        judging.step()

        if step % 20 == 0:
            run.log(step, loss=loss, l1=l1, sync=sync, visual=visual, real=real.mean(), fake=fake.mean(), rate=rate)
        if run.due(step):
            scores = {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets}
            run.tell(step, loss, scores | sync_start.check(average.model, expert, unseen, draw))
            write_strip(folder / "strip.png", average.model, unseen)
    return average.model
