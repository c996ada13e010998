"""Train the lip-sync expert. Reads from top to bottom: data, network, steps, check, weights.

It learns by choosing: of the windows of one clip, which voice belongs to this mouth (``losses.shift_contrast``).
``network`` "small" is the bundled one, above chance after fifty steps; "official" is the paper's design, for which
``bce_share`` adds the paper's cosine loss. On our small data the official design stayed at chance for hundreds of steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dubkit.errors import SettingsError
from dubkit.evaluate.sync import in_and_out_accuracy
from dubkit.lips.losses import SyncExpert
from dubkit.lips.models.expert import FRAMES, ExpertConfig, LipSyncExpert
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.train.batches import expert_batch
from dubkit.train.data import Clip, TalkingFaces, mouth_stacks
from dubkit.train.losses import cosine_bce, shift_contrast
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Average, Compute, Report, Run, learning_rate, silent


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


def train_expert(shards: Path, folder: Path, settings: ExpertSettings = ExpertSettings(), *,
                 start_from: SyncExpert | None = None, steps: int = 2000, minutes: float = 600, check_every: int = 100,
                 compute: Compute = Compute(), report: Report = silent) -> SyncExpert:  # fmt: skip
    """Train, or go on training, in ``folder`` → the averaged network.

    The learning rate follows ``steps``; ``minutes`` only stops early (call again to go on). ``start_from`` gives the first
    weights of a new run. ``report`` gets a line at every check."""
    data, unseen = talking_faces(shards, "train", compute), TalkingFaces(shards, "val")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)

    model = SmallExpert() if settings.network == "small" else LipSyncExpert(ExpertConfig(settings.width))
    if start_from is not None:
        model.load_state_dict(start_from.state_dict())
    model = compute.place(model)
    temperature = nn.ParameterDict(
        {"log": nn.Parameter(torch.tensor(np.log(settings.temperature), dtype=torch.float32))}
    ).to(compute.device)
    average = Average(model, settings.average)
    groups = [{"params": model.parameters()}, {"params": temperature.parameters(), "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    parts = {"model": model, "temperature": temperature, "average": average, "optimizer": optimizer}
    run = Run(folder, asdict(settings) | compute.changes(), parts, rng, report)

    for step in run.steps(steps, minutes, check_every):
        rate = learning_rate(settings.learning_rate, settings.warmup, step, steps)
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = rate, 5 * rate
        optimizer.zero_grad(set_to_none=True)
        for _ in range(compute.accumulate):
            mel, mouths = (part.to(compute.device) for part in expert_batch(data, rng, settings))
            mouths = mouths.float().div_(255).contiguous(memory_format=torch.channels_last)
            with compute.autocast():
                voice, mouth = model(mel, mouths)
            voice, mouth = (e.float().unflatten(0, (settings.clips, settings.windows)) for e in (voice, mouth))
            scale = temperature["log"].exp().clamp(max=100)
            loss = contrast = shift_contrast(voice, mouth, scale, settings.ignore)
            if settings.bce_share:
                loss = (1 - settings.bce_share) * contrast + settings.bce_share * _bce(voice, mouth, rng)
            (loss / compute.accumulate).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model, step)

        if step % 10 == 0:
            run.log(step, loss=loss, temperature=scale, rate=rate)
        if run.due(step):
            run.tell(step, loss, {f"accuracy_{name}": accuracy(average.model, unseen, name, most=40) for name in unseen.sets})  # fmt: skip
    return average.model


@torch.no_grad()
def embed_clip(model: SyncExpert, data: TalkingFaces, clip: Clip) -> tuple[torch.Tensor, torch.Tensor]:
    """Voice and mouth embeddings of every window of ``clip`` → two (windows, D) on the CPU."""
    device = next(model.parameters()).device
    firsts = np.arange(clip.stop - clip.start - FRAMES + 1)
    crops = torch.from_numpy(np.ascontiguousarray(data.crops(clip, np.arange(clip.start, clip.stop))))
    mouths = mouth_stacks(crops, firsts).to(device).float().div_(255)
    voice, mouth = model(torch.from_numpy(data.expert_windows(clip, clip.start + firsts)).to(device), mouths)
    return voice.cpu(), mouth.cpu()


def accuracy(model: SyncExpert, data: TalkingFaces, name: str, most: int | None = None, apart: int = 4) -> float:
    """How often the right voice window scores above one at least ``apart`` frames away in the same clip (chance 0.5):
    the mean over all such pairs of a clip, then over the clips of set ``name``."""
    model.eval()
    clips = [clip for clip in data.clips if clip.set == name]
    if most and len(clips) > most:
        clips = [clips[i] for i in np.linspace(0, len(clips) - 1, most).astype(int)]
    pairs = (embed_clip(model, data, clip) for clip in clips)
    return float(np.mean([in_and_out_accuracy(mouth.numpy(), voice.numpy(), apart) for voice, mouth in pairs]))


def _bce(voice: torch.Tensor, mouth: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The paper's loss on the same embeddings: every right pair, and as many wrong ones from the same clip."""
    clips, count = voice.shape[:2]
    shift = int(rng.integers(2, count - 1))
    pairs = torch.cat((voice.flatten(0, 1), voice.roll(shift, dims=1).flatten(0, 1)))
    in_sync = torch.cat((torch.ones(clips * count), torch.zeros(clips * count))).to(voice.device)
    return cosine_bce(pairs, mouth.flatten(0, 1).repeat(2, 1), in_sync)
