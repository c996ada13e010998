"""Adapt the generator to one actor: a short fine-tuning on the film's own footage, where picture and voice agree.

Reads from top to bottom: hold some frames back, measure, train the last layers, measure again, keep or refuse. The
result is kept only if on the held-back frames the mouth gets closer (L1) and the expert's choice of voice no worse; the
report says which, so a refusal is an answer too. Nothing of the original network changes.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from dubkit.errors import InputError
from dubkit.evaluate.sync import inner_curve
from dubkit.lips.mel import frame_windows, windows
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.data import mouth_stacks
from dubkit.train.generator import Batch, GeneratorSettings, SyncExpert, picture_tensor, shown_to_network, sync_choice
from dubkit.train.losses import edge_l1, mouth_region, mouth_weights, wav2lip_total, weighted_l1

FEWEST = 50  # frames: two seconds
_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What was tried on one actor; mouth L1 is 0 to 1, sync the mean cosine of mouths and voice on held-back frames."""

    kept: bool
    reason: str
    frames: int
    held_back: int
    mouth_l1_before: float
    mouth_l1_after: float
    sync_before: float
    sync_after: float
    steps: int
    seconds: float


def adapt(model: Wav2Lip, expert: SyncExpert, crops: np.ndarray, mel: np.ndarray, *, steps: int = 60,
          windows_a_step: int = 4, sync_weight: float = 0.004, learning_rate: float = 5e-4, whole: bool = False,
          seed: int = 0) -> tuple[Wav2Lip, Adaptation]:  # fmt: skip
    """→ the network to use from now on (the given one, if adapting did not help) and what happened. Raises InputError.

    ``crops`` (N, 96, 96, 3) uint8 BGR at 25 fps after the crop convention, uncut and in step with ``mel`` (80, steps),
    which starts with the first frame. The last quarter is held back. ``whole`` trains every layer (for a GPU) instead of
    the last two decoder stages and the output.
    """
    if len(crops) < FEWEST:
        raise InputError(f"{len(crops)} frames are too few to adapt to an actor; {FEWEST} are needed")
    started, rng = time.perf_counter(), np.random.default_rng(seed)
    torch.manual_seed(seed)
    seen = 3 * len(crops) // 4
    held = np.arange(seen + 5, len(crops))  # a gap, so that no held-back frame is a neighbour of a trained one
    voices = torch.from_numpy(frame_windows(mel, range(len(crops)), _RATE))
    before = _measure(model, expert, crops, mel, voices, held)

    tuned = copy.deepcopy(model).eval()  # batch norms keep the statistics of many people
    layers = [tuned] if whole else [*tuned.face_decoder_blocks[-2:], tuned.output_block]
    tuned.requires_grad_(False)
    parameters = [p.requires_grad_() for layer in layers for p in layer.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    weights = mouth_weights(model.config.size, 8.0)
    expert = expert.eval().requires_grad_(False)
    judged = GeneratorSettings(frames=5, temperature=8.0)
    for _ in range(steps):
        firsts = rng.integers(1, seen - 5, windows_a_step)
        frames = (firsts[:, None] + np.arange(5)).ravel()
        real, shown = _pair(crops, frames, rng.integers(0, seen, len(frames)))
        made = tuned(voices[frames], shown)
        l1 = weighted_l1(made, real, weights) + 0.5 * edge_l1(made, real, weights)
        heard = Batch(voices[frames], shown, real, _choices(mel, firsts, seen, rng))
        loss = wav2lip_total(l1, sync_choice(expert, made, heard, judged), sync_weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    after = _measure(tuned, expert, crops, mel, voices, held)
    closer, in_step = after[0] < before[0], after[1] >= before[1] - 0.02
    reason = "closer to the actor" if closer else "the mouth did not come closer on held-back frames"
    if closer and not in_step:
        reason = "closer, but the lips follow the voice less"
    report = Adaptation(
        closer and in_step, reason, seen, len(held), *(round(v, 5) for v in (before[0], after[0], before[1], after[1])),
        steps, round(time.perf_counter() - started, 1),
    )  # fmt: skip
    return (tuned.requires_grad_(True) if report.kept else model), report


def _choices(mel: np.ndarray, firsts: np.ndarray, seen: int, rng: np.random.Generator, count: int = 12) -> Tensor:
    """Expert windows (windows, count, 1, 80, 16): the right one of each, then others at least 3 frames away."""
    chosen = []
    for first in firsts:
        far = [f for f in range(seen - 5) if abs(f - first) >= 3]
        chosen += [int(first), *rng.choice(far, count - 1)]
    return torch.from_numpy(windows(mel, (int(f) * 80 // 25 for f in chosen))).unflatten(0, (len(firsts), count))


def _pair(crops: np.ndarray, frames: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
    real = picture_tensor(crops[frames])
    return real, shown_to_network(real, picture_tensor(crops[references]))


@torch.no_grad()
def _measure(model: Wav2Lip, expert: SyncExpert, crops, mel, voices: Tensor, held: np.ndarray) -> tuple[float, float]:
    """Mouth L1 and mean cosine on ``held``, each frame with a reference from the trained part."""
    real, shown = _pair(crops, held, np.linspace(0, held[0] - 6, len(held)).astype(int))
    made = model.eval()(voices[held], shown)
    rows, columns = mouth_region(model.config.size)
    pictures = made.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    firsts = np.arange(len(held) - 4)
    mouth = expert.eval().mouth(torch.from_numpy(mouth_stacks(pictures, firsts)).float() / 255)
    heard = expert.voice(torch.from_numpy(windows(mel, (int(f) * 80 // 25 for f in held[firsts]))))
    in_place = inner_curve(mouth.numpy(), heard.numpy(), most=0)[0]
    return (made - real).abs()[:, :, rows, columns].mean().item(), float(in_place)
