"""Train Wav2Lip's generator. Reads from top to bottom: data, networks, steps, check, weights.

Without an expert it learns from single frames by L1 alone. With one, it learns from windows of five frames and adds the
sync loss: of the voice windows of its clip, the expert must choose the right one for the mouths that were made. The
expert is frozen; its gradient passes to the picture, never to its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dubkit.lips.models.expert import FRAMES, LipSyncExpert, mouth_stack
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.train.data import Clip, Move, TalkingFaces
from dubkit.train.losses import edge_l1, mouth_region, mouth_weights, wav2lip_total, weighted_l1
from dubkit.train.runs import Average, Run

SMALL = Wav2LipConfig(
    face=(4, 8, 16, 32, 64, 128, 128),
    audio=(8, 16, 32, 64, 128),
    decoder=(128, 128, 96, 64, 32, 16, 8),
    output=8,
    composite=True,
)
"""The bundled generator: a twentieth of the official one's weights and of its work."""
SyncExpert = LipSyncExpert | SmallExpert
APART = 5
"""The reference starts at least so many frames from the frames to be made: its mouth says something else."""


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """What a run is. ``clips`` draws a step of ``frames`` consecutive frames each (5 with an expert)."""

    config: dict = field(default_factory=SMALL.to_dict)
    clips: int = 32
    frames: int = 1
    mouth: float = 6.0
    edges: float = 0.0
    sync_weight: float = 0.0
    temperature: float = 15.0
    choices: int = 9
    learning_rate: float = 1e-3
    warmup: int = 50
    weight_decay: float = 1e-4
    average: float = 0.995
    shares: dict[str, float] = field(default_factory=lambda: {"lrcar": 0.7, "grid": 0.3})
    seed: int = 0


def train_generator(shards: Path, folder: Path, settings: GeneratorSettings = GeneratorSettings(), *,
                    expert: SyncExpert | None = None, start_from: Wav2Lip | None = None, steps: int = 4000,
                    minutes: float = 600, check_every: int = 100, device: str = "cpu",
                    report: Callable[[str], None] = lambda line: None) -> Wav2Lip:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged generator.

    The learning rate follows ``steps``; ``minutes`` only stops early (call again to go on). ``start_from`` gives the
    first weights of a new run. ``report`` gets a line now and then.
    """
    data, unseen = TalkingFaces(shards, "train"), TalkingFaces(shards, "val")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = Wav2Lip(Wav2LipConfig(**settings.config))
    if start_from is not None:
        model.load_state_dict(start_from.state_dict())
    model = model.to(device, memory_format=torch.channels_last)
    average = Average(model, settings.average)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    if expert is not None:
        expert = expert.to(device).eval().requires_grad_(False)
    weights = mouth_weights(model.config.size, settings.mouth).to(device)
    run = Run(folder, asdict(settings), {"model": model, "average": average, "optimizer": optimizer}, rng)

    for step in range(run.restore(), steps):
        rate = settings.learning_rate * min(1, (step + 1) / settings.warmup) * _cooling(step / steps)
        optimizer.param_groups[0]["lr"] = rate
        batch = generator_batch(data, rng, settings.clips, settings.frames, settings.shares,
                                settings.choices if expert is not None else 0).to(device)  # fmt: skip
        made = model(batch.mel, batch.shown)
        l1 = weighted_l1(made, batch.real, weights)
        if settings.edges:
            l1 = l1 + settings.edges * edge_l1(made, batch.real, weights)
        sync = sync_choice(expert, made, batch, settings) if expert is not None else 0.0
        loss = wav2lip_total(l1, sync, settings.sync_weight if expert is not None else 0.0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)

        over = run.seconds > 60 * minutes or step + 1 == steps
        if step % 20 == 0:
            run.log(step, loss=loss, l1=l1, sync=sync, rate=rate)
        if (step + 1) % check_every == 0 or over:
            scores = {f"mouth_l1_{name}": mouth_l1(average.model, unseen, name) for name in unseen.sets}
            run.log(step, **scores)
            report(f"step {step + 1}, {run.seconds / 60:.1f} min, loss {loss.item():.4f}, {scores}")
            run.save(step + 1)
        if over:
            break
    return average.model


@dataclass(frozen=True, slots=True)
class Batch:
    """``mel`` (N, 1, 80, 16), ``shown`` (N, 6, S, S), ``real`` (N, 3, S, S) with the frames of a clip in a row;
    ``voices`` (clips, choices, 1, 80, 16) are expert windows, the right one first (empty without an expert)."""

    mel: Tensor
    shown: Tensor
    real: Tensor
    voices: Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(getattr(self, name).to(device) for name in ("mel", "shown", "real", "voices")))


def generator_batch(data: TalkingFaces, rng: np.random.Generator, clips: int, frames: int, shares: dict[str, float],
                    choices: int = 0) -> Batch:  # fmt: skip
    """Draw ``clips`` stretches of ``frames`` frames, each frame with its own reference from elsewhere in the clip.

    The public code takes five consecutive references; their mouths move by themselves, in step with another moment of the
    same voice, which the sync loss must first unlearn.
    """
    mels, targets, references, voices = [], [], [], []
    for clip in data.draw_clips(rng, clips, 2 * APART + frames + FRAMES + 1, shares):
        # a frame's voice reaches from one frame before it to four after
        first = int(rng.integers(clip.start + 1, clip.stop - frames - FRAMES + 2))
        elsewhere = [f for f in range(clip.start, clip.stop) if f <= first - APART or f >= first + frames + APART - 1]
        others = np.sort(rng.choice(elsewhere, size=frames, replace=len(elsewhere) < frames))
        move = Move.draw(rng)
        targets.append(data.crops(clip, np.arange(first, first + frames), move))
        references.append(data.crops(clip, others, move))
        mels.append(data.generator_windows(clip, np.arange(first, first + frames), move.mel))
        if choices:
            voices.append(data.expert_windows(clip, _choices(clip, first, choices, rng), move.mel))
    real = picture_tensor(np.concatenate(targets))
    shown = shown_to_network(real, picture_tensor(np.concatenate(references)))
    voices = torch.from_numpy(np.stack(voices)) if choices else torch.empty(0)
    return Batch(torch.from_numpy(np.concatenate(mels)), shown, real, voices)


def _choices(clip: Clip, first: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """The right window and ``count - 1`` others of the clip, at least 3 frames away."""
    far = [f for f in range(clip.start, clip.stop - FRAMES + 1) if abs(f - first) >= 3]
    return np.concatenate(([first], rng.choice(far, size=count - 1, replace=len(far) < count - 1)))


def picture_tensor(crops: np.ndarray) -> Tensor:
    """uint8 (N, S, S, 3) → float (N, 3, S, S) in [0, 1], channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float().div_(255)


def shown_to_network(real: Tensor, reference: Tensor) -> Tensor:
    """The generator's six channels: the frame without its lower half, and the reference."""
    hidden = real.clone()
    hidden[:, :, real.shape[-2] // 2 :] = 0
    return torch.cat((hidden, reference), dim=1).contiguous(memory_format=torch.channels_last)


def sync_choice(expert: SyncExpert, made: Tensor, batch: Batch, settings: GeneratorSettings) -> Tensor:
    """Cross-entropy of the expert's choice among ``voices`` for the mouths in ``made``."""
    mouths = mouth_stack(made.unflatten(0, (-1, settings.frames)).transpose(1, 2))
    with torch.no_grad():
        voices = expert.voice(batch.voices.flatten(0, 1)).unflatten(0, batch.voices.shape[:2])
    scores = torch.einsum("bd,bkd->bk", expert.mouth(mouths), voices) * settings.temperature
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))


@torch.no_grad()
def mouth_l1(model: Wav2Lip, data: TalkingFaces, name: str, frames: int = 96) -> float:
    """Mean absolute difference in the mouth region, on fixed frames of set ``name`` with a reference from elsewhere in
    the clip; 0 to 1."""
    model.eval()
    rng = np.random.default_rng(12)
    device, total = next(model.parameters()).device, []
    for _ in range(frames // 32):
        batch = generator_batch(data, rng, 32, 1, {name: 1.0}).to(str(device))
        rows, columns = mouth_region(model.config.size)
        difference = (model(batch.mel, batch.shown) - batch.real).abs()
        total.append(difference[:, :, rows, columns].mean().item())
    return float(np.mean(total))


def _cooling(done: float) -> float:
    """Full rate for the first 60 % of the steps, then a cosine down to a twentieth."""
    return 1.0 if done < 0.6 else 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, (done - 0.6) / 0.4)))
