"""Train the lip-sync expert. Reads from top to bottom: data, network, steps, check, weights.

It learns by choosing: of the windows of one clip, which voice belongs to this mouth (``losses.shift_contrast``).
``network`` "small" is the bundled one, above chance after fifty steps; "official" is the paper's design, for which
``bce_share`` adds the paper's cosine loss. On our small data the official design stayed at chance for hundreds of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dubkit.errors import SettingsError
from dubkit.lips.models.expert import FRAMES, ExpertConfig, LipSyncExpert
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.train.data import Move, TalkingFaces, mouth_stacks
from dubkit.train.losses import cosine_bce, shift_contrast
from dubkit.train.runs import Average, Run


@dataclass(frozen=True, slots=True)
class ExpertSettings:
    """What a run is. ``clips`` × ``windows`` pairs a step, ``stride`` frames apart; ``shares`` weighs the data sets."""

    network: str = "small"
    width: int = 32
    clips: int = 20
    windows: int = 11
    stride: int = 2
    ignore: int = 0
    temperature: float = 5.0
    bce_share: float = 0.0
    learning_rate: float = 1e-3
    warmup: int = 1
    weight_decay: float = 0.02
    average: float = 0.98
    shares: dict[str, float] = field(default_factory=lambda: {"lrcar": 0.7, "grid": 0.3})
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in ("small", "official"):
            raise SettingsError(f"there is no expert network '{self.network}'; choose small or official")
        if self.bce_share and self.network == "small":
            raise SettingsError("the small expert's cosine may be negative, so it has no cosine BCE; use 'official'")


def train_expert(shards: Path, folder: Path, settings: ExpertSettings = ExpertSettings(), *, steps: int = 2000,
                 minutes: float = 600, check_every: int = 100, device: str = "cpu",
                 report: Callable[[str], None] = lambda line: None) -> LipSyncExpert | SmallExpert:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged network.

    The learning rate follows ``steps``; ``minutes`` only stops early (call again to go on). ``report`` gets a line now
    and then."""
    data, unseen = TalkingFaces(shards, "train"), TalkingFaces(shards, "val")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = SmallExpert() if settings.network == "small" else LipSyncExpert(ExpertConfig(settings.width))
    model = model.to(device, memory_format=torch.channels_last)
    temperature = nn.ParameterDict(
        {"log": nn.Parameter(torch.tensor(np.log(settings.temperature), dtype=torch.float32))}
    ).to(device)
    average = Average(model, settings.average)
    groups = [{"params": model.parameters()}, {"params": temperature.parameters(), "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    run = Run(folder, asdict(settings), {"model": model, "temperature": temperature, "average": average,
                                         "optimizer": optimizer}, rng)  # fmt: skip
    first = run.restore()

    for step in range(first, steps):
        rate = settings.learning_rate * min(1, (step + 1) / settings.warmup) * _cooling(step / steps)
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = rate, 5 * rate
        mel, mouths = expert_batch(data, rng, settings)
        mel, mouths = mel.to(device), mouths.to(device).float().div_(255).contiguous(memory_format=torch.channels_last)

        voice, mouth = (e.unflatten(0, (settings.clips, settings.windows)) for e in model(mel, mouths))
        scale = temperature["log"].exp().clamp(max=100)
        loss = contrast = shift_contrast(voice, mouth, scale, settings.ignore)
        if settings.bce_share:
            loss = (1 - settings.bce_share) * contrast + settings.bce_share * _bce(voice, mouth, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)

        over = run.seconds > 60 * minutes or step + 1 == steps
        if step % 10 == 0:
            run.log(step, loss=loss, temperature=scale, rate=rate)
        if (step + 1) % check_every == 0 or over:
            scores = {f"accuracy_{name}": accuracy(average.model, unseen, name, most=40) for name in unseen.sets}
            run.log(step, **scores)
            report(f"step {step + 1}, {run.seconds / 60:.1f} min, loss {loss.item():.3f}, {scores}")
            run.save(step + 1)
        if over:
            break
    return average.model


def expert_batch(data: TalkingFaces, rng: np.random.Generator, s: ExpertSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """``clips × windows`` pairs, in order → mel (N, 1, 80, 16), mouths uint8 (N, 15, 48, 96)."""
    span = (s.windows - 1) * s.stride + FRAMES
    mels, mouths = [], []
    for clip in data.draw_clips(rng, s.clips, span, s.shares):
        start = int(rng.integers(clip.start, clip.stop - span + 1))
        move = Move.draw(rng)
        crops = data.crops(clip, np.arange(start, start + span), move)
        firsts = np.arange(s.windows) * s.stride
        mouths.append(mouth_stacks(crops, firsts))
        mels.append(data.expert_windows(clip, start + firsts, move.mel))
    return torch.from_numpy(np.concatenate(mels)), torch.from_numpy(np.concatenate(mouths))


@torch.no_grad()
def embed_clip(
    model: LipSyncExpert | SmallExpert, data: TalkingFaces, clip, device="cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Voice and mouth embeddings of every window of ``clip`` → two (windows, D)."""
    firsts = np.arange(clip.stop - clip.start - FRAMES + 1)
    crops = data.crops(clip, np.arange(clip.start, clip.stop))
    mouths = torch.from_numpy(mouth_stacks(crops, firsts)).to(device).float().div_(255)
    return model(torch.from_numpy(data.expert_windows(clip, clip.start + firsts)).to(device), mouths)


def accuracy(
    model: LipSyncExpert | SmallExpert, data: TalkingFaces, name: str, most: int | None = None, apart: int = 4
) -> float:
    """How often the right voice window scores above one at least ``apart`` frames away in the same clip (chance 0.5):
    the mean over all such pairs of a clip, then over the clips of set ``name``."""
    model.eval()
    clips = [clip for clip in data.clips if clip.set == name]
    if most and len(clips) > most:
        clips = [clips[i] for i in np.linspace(0, len(clips) - 1, most).astype(int)]
    per_clip = []
    for clip in clips:
        voice, mouth = embed_clip(model, data, clip, next(model.parameters()).device)
        scores = (mouth @ voice.T).cpu().numpy()
        index = np.arange(len(scores))
        far = np.abs(index[:, None] - index) >= apart
        right = scores.diagonal()[:, None]
        per_clip.append(((right > scores) + 0.5 * (right == scores))[far].mean())
    return float(np.mean(per_clip))


def _bce(voice: torch.Tensor, mouth: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The paper's loss on the same embeddings: every right pair, and as many wrong ones from the same clip."""
    clips, count = voice.shape[:2]
    shift = int(rng.integers(2, count - 1))
    pairs = torch.cat((voice.flatten(0, 1), voice.roll(shift, dims=1).flatten(0, 1)))
    in_sync = torch.cat((torch.ones(clips * count), torch.zeros(clips * count))).to(voice.device)
    return cosine_bce(pairs, mouth.flatten(0, 1).repeat(2, 1), in_sync)


def _cooling(done: float) -> float:
    """Full rate for the first 60 % of the steps, then a cosine down to a twentieth."""
    return 1.0 if done < 0.6 else 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, (done - 0.6) / 0.4)))
