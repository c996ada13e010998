"""Train Wav2Lip's generator. Reads from top to bottom: data, networks, steps, check, weights.

Without an expert it learns from single frames by L1 alone. With one, it learns from windows of five frames and adds the
sync loss: of the voice windows of its clip, the expert must choose the right one for the mouths that were made
(``sync_loss`` "choice"), or the paper's −log of the cosine ("cosine", for an official expert). The expert is frozen; its
gradient passes to the picture, never to its weights. The public schedule is ``sync_below`` 0.75: L1 alone until the sync
loss of held-out people is below that.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dubkit.errors import SettingsError
from dubkit.lips.losses import SyncExpert
from dubkit.lips.models.expert import LipSyncExpert
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.train.batches import Batch, generator_batch
from dubkit.train.crops import CROP
from dubkit.train.data import TalkingFaces
from dubkit.train.losses import (
    mouth_in_grey,
    mouth_region,
    mouth_weights,
    picture_loss,
    sync_choice,
    sync_cosine,
    wav2lip_total,
)
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Average, Compute, Report, Run, learning_rate, silent
from dubkit.train.strips import Speaker, write_strip

SMALL = Wav2LipConfig(
    face=(4, 8, 16, 32, 64, 128, 128),
    audio=(8, 16, 32, 64, 128),
    decoder=(128, 128, 96, 64, 32, 16, 8),
    output=8,
    composite=True,
)
"""The bundled generator: a twentieth of the official one's weights and of its work."""


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """What a run is. ``clips`` draws a step of ``frames`` consecutive frames each (5 with an expert); the share
    ``other_clip`` of them sees references from another clip of that person, in another pose; ``laid`` lays them
    over the frame as the engine does."""

    config: dict = field(default_factory=SMALL.to_dict)
    clips: int = 32
    frames: int = 1
    mouth: float = 6.0
    edges: float = 0.0
    colour: float = 0.0
    sync_in_grey: bool = False
    sync_loss: str = "choice"
    sync_weight: float = 0.0
    sync_below: float = 0.0
    temperature: float = 15.0
    choices: int = 9
    other_clip: float = 0.0
    laid: bool = False
    learning_rate: float = 1e-3
    warmup: int = 50
    weight_decay: float = 1e-4
    average: float = 0.995
    shares: dict[str, float] = field(default_factory=lambda: {"lrcar": 0.7, "grid": 0.3})
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sync_loss not in ("choice", "cosine"):
            raise SettingsError(f"there is no sync loss '{self.sync_loss}'; choose choice or cosine")


class SyncStart(nn.Module):
    """Whether the sync loss counts yet: from the beginning, or from the first check on in which it is below ``below`` on held-out
    people, for good. A module, so that checkpoints remember it."""

    def __init__(self, below: float):
        super().__init__()
        self.below = below
        self.register_buffer("counts", torch.tensor(not below))

    def check(self, model: Wav2Lip, expert: SyncExpert, unseen: TalkingFaces, s: GeneratorSettings) -> dict[str, float]:
        """→ the score of this check; none where there is nothing to wait for."""
        if self.counts:
            return {}
        found = float(np.mean([held_out_sync(model, expert, unseen, name, s) for name in unseen.sets]))
        self.counts.fill_(found < self.below)
        return {"sync_held_out": found}


def train_generator(shards: Path, folder: Path, settings: GeneratorSettings = GeneratorSettings(), *,
                    expert: SyncExpert | None = None, start_from: Wav2Lip | None = None, steps: int = 4000,
                    minutes: float = 600, check_every: int = 100, compute: Compute = Compute(),
                    report: Report = silent) -> Wav2Lip:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged generator; every check leaves a ``strip.png`` to look at.

    The learning rate follows ``steps``; ``minutes`` only stops early (call again to go on). ``start_from`` gives the
    first weights of a new run. ``report`` gets a line at every check.
    """
    data, unseen = talking_faces(shards, "train", compute), TalkingFaces(shards, "val")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = Wav2Lip(Wav2LipConfig(**settings.config))
    if start_from is not None:
        model.load_state_dict(start_from.state_dict())
    model = compute.place(model)
    average = Average(model, settings.average)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    if expert is not None:
        expert = expert.to(compute.device).eval().requires_grad_(False)
    choices, sync_start = settings.choices if expert is not None else 0, SyncStart(settings.sync_below)
    weights = mouth_weights(model.config.size, settings.mouth).to(compute.device)
    parts = {"model": model, "average": average, "optimizer": optimizer, "sync_start": sync_start}
    run = Run(folder, asdict(settings) | compute.changes(), parts, rng, report)

    for step in run.steps(steps, minutes, check_every):
        rate = learning_rate(settings.learning_rate, settings.warmup, step, steps)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        for _ in range(compute.accumulate):
            batch = draw_batch(data, rng, settings, choices)
            batch, sync, sync_weight = batch.to(compute.device), 0.0, 0.0
            with compute.autocast():
                made = model(batch.mel, batch.shown).float()
            l1 = picture_loss(made, batch.real, weights, settings.edges, settings.colour)
            if expert is not None and sync_start.counts:
                judged, sync_weight = (
                    mouth_in_grey(made, batch.real) if settings.sync_in_grey else made,
                    settings.sync_weight,
                )
                with compute.autocast():
                    sync = sync_of(expert, judged, batch.voices, settings)
            loss = wav2lip_total(l1, sync, sync_weight)
            (loss / compute.accumulate).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)

        if step % 20 == 0:
            run.log(step, loss=loss, l1=l1, sync=sync, rate=rate)
        if run.due(step):
            scores = {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets}
            run.tell(
                step,
                loss,
                scores | (sync_start.check(average.model, expert, unseen, settings) if expert is not None else {}),
            )
            write_strip(folder / "strip.png", average.model, unseen)
    return average.model


def draw_batch(data: TalkingFaces, rng: np.random.Generator, s: GeneratorSettings, choices: int) -> Batch:
    """One draw as the settings say, with ``choices`` voices for each stretch (0 without an expert)."""
    return generator_batch(data, rng, s.clips, s.frames, s.shares, choices, s.other_clip, s.laid)


def sync_of(expert: SyncExpert, judged: torch.Tensor, voices: torch.Tensor, s: GeneratorSettings) -> torch.Tensor:
    """The sync loss that the settings name. Raises SettingsError for an expert whose cosine may be negative."""
    if s.sync_loss == "choice":
        return sync_choice(expert, judged, voices, s.frames, s.temperature)
    if not isinstance(expert, LipSyncExpert):
        raise SettingsError(
            "sync_loss=cosine needs an expert of the official design (network=official), whose cosine is ≥ 0"
        )
    return sync_cosine(expert, judged, voices, s.frames)


@torch.no_grad()
def held_out_sync(model: Wav2Lip, expert: SyncExpert, data: TalkingFaces, name: str, s: GeneratorSettings) -> float:
    """The sync loss on fixed windows of set ``name``."""
    device = next(model.parameters()).device
    batch = generator_batch(data, np.random.default_rng(13), 16, s.frames, {name: 1.0}, s.choices).to(str(device))
    return sync_of(expert, model.eval()(batch.mel, batch.shown), batch.voices, s).item()


@torch.no_grad()
def mouth_l1(model: Speaker, data: TalkingFaces, name: str, frames: int = 96) -> float:
    """Mean absolute difference in the mouth region, on fixed frames of set ``name`` with a reference from elsewhere in
    the clip; 0 to 1. Speech2Vid sees the reference alone."""
    model.eval()
    rng, (rows, columns) = np.random.default_rng(12), mouth_region(CROP)
    device, total = next(model.parameters()).device, []
    for _ in range(frames // 32):
        batch = generator_batch(data, rng, 32, 1, {name: 1.0}).to(str(device))
        shown = batch.shown if isinstance(model, Wav2Lip) else batch.shown[:, 3:]
        total.append((model(batch.mel, shown) - batch.real).abs()[:, :, rows, columns].mean().item())
    return float(np.mean(total))
