"""Adapt the generator to one actor: a short fine-tuning on the film's own footage, where picture and voice agree.

Reads from top to bottom: hold some frames back, measure, check that the footage is in step, train, measure again, keep or
refuse. The result is kept only if on the held-back frames the mouth gets closer (L1) and the expert's agreement of mouths
and voice is no lower; the report says which, so a refusal is an answer too. Nothing of the original network changes.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from dubkit.errors import InputError
from dubkit.lips.losses import SyncExpert, mouth_region, mouth_weights, picture_loss, sync_choice, wav2lip_total
from dubkit.lips.mel import frame_windows, windows
from dubkit.lips.models.expert import FRAMES, mouth_stack
from dubkit.lips.models.wav2lip import Wav2Lip, picture_tensor, shown_to_network
from dubkit.progress import Progress, silent

CODE = "2"
"""Raised when the same footage gives other weights."""

FEWEST_SEEN, FEWEST_HELD = 50, 12  # frames at 25 fps
_RATE = Fraction(25)
_GAP = FRAMES  # frames between what is trained on and what is held back, so that no window reaches over
_SHIFTS, _IN_STEP = 15, 2  # frames: how far the voice is moved to see whether it belongs here; how far off it may be


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """One uncut stretch of the actor speaking: ``crops`` (N, S, S, 3) uint8 BGR at 25 fps after the crop convention, ``mel``
    (80, steps) of the voice from the first of them."""

    crops: np.ndarray
    mel: np.ndarray


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
    layers: str
    seconds: float


def adapt(model: Wav2Lip, expert: SyncExpert, footage: Sequence[Footage], *, steps: int = 60, layers: str = "last",
          windows_a_step: int = 4, sync_weight: float = 0.01, learning_rate: float = 5e-4, device: str = "cpu",
          seed: int = 0, progress: Progress = silent) -> tuple[Wav2Lip, Adaptation]:  # fmt: skip
    """→ the network to use from now on (the given one, if adapting did not help), on the CPU, and what happened.

    The last quarter of every stretch is held back. ``layers`` "last" trains the last two decoder stages and the output (for
    a CPU), "all" every layer. Raises InputError where there is too little footage.
    """
    started, rng = time.perf_counter(), np.random.default_rng(seed)
    torch.manual_seed(seed)
    actor = _Actor.of(footage, device)
    expert = copy.deepcopy(expert).to(device).eval().requires_grad_(False)
    tuned = copy.deepcopy(model).to(device).eval()  # batch norms keep the statistics of many people
    before = actor.measure(tuned, expert)

    def told(kept: bool, reason: str, after: tuple[float, float], done: int) -> Adaptation:
        numbers = (round(v, 5) for v in (before[0], after[0], before[1], after[1]))
        seconds = round(time.perf_counter() - started, 1)
        return Adaptation(kept, reason, actor.trained, len(actor.held), *numbers, done, layers, seconds)

    offset = actor.offset(expert)
    if abs(offset) > _IN_STEP:
        return model, told(False, f"picture and voice are not in step here: they agree best {offset:+d} frames apart", before, 0)  # fmt: skip

    parts = {"last": [*tuned.face_decoder_blocks[-2:], tuned.output_block], "all": [tuned]}[layers]
    tuned.requires_grad_(False)
    parameters = [p.requires_grad_() for part in parts for p in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate)
    weights = mouth_weights(model.config.size, 8.0).to(device)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / steps)  # the noise of small batches dies out
        voices, shown, real, choices = actor.draw(rng, windows_a_step)
        made = tuned(voices, shown)
        l1 = picture_loss(made, real, weights, edges=0.5)
        loss = wav2lip_total(l1, sync_choice(expert, made, choices, FRAMES, 8.0), sync_weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress(step + 1, steps)

    after = actor.measure(tuned, expert)
    closer, in_step = after[0] < before[0], after[1] >= before[1]
    reason = "closer to the actor" if closer else "the mouth did not come closer on held-back frames"
    if closer and not in_step:
        reason = "closer, but the lips follow the voice less"
    kept = closer and in_step
    return (tuned.cpu().requires_grad_(True) if kept else model), told(kept, reason, after, steps)


@dataclass(slots=True, eq=False)
class _Actor:
    """All stretches of one actor laid end to end. Indices are frames of ``crops``; a window never leaves its stretch."""

    crops: Tensor  # (N, S, S, 3) uint8
    heard: Tensor  # (N, 1, 80, 16) generator windows
    stacks: Tensor  # (N, 1, 80, 16) expert windows; only those of whole stacks are used
    firsts: np.ndarray  # frames at which a training window of FRAMES frames may begin
    held: np.ndarray  # held-back frames
    held_firsts: np.ndarray  # of those, where an expert's stack begins
    seen: list[np.ndarray]  # trained frames of each stretch
    stretch: np.ndarray  # (N,) which stretch a frame belongs to
    device: str

    @classmethod
    def of(cls, footage: Sequence[Footage], device: str) -> _Actor:
        firsts, held, held_firsts, seen, stretch, at = [], [], [], [], [], 0
        for number, part in enumerate(footage):
            count = len(part.crops)
            trained = 3 * count // 4
            seen.append(at + np.arange(trained))
            firsts += [at + f for f in range(1, trained - FRAMES)]
            held += [at + f for f in range(trained + _GAP, count)]
            held_firsts += [at + f for f in range(trained + _GAP, count - FRAMES + 1)]
            stretch += [number] * count
            at += count
        trained = sum(map(len, seen))
        if trained < FEWEST_SEEN or len(held_firsts) < FEWEST_HELD:
            raise InputError(f"{at} frames in {len(footage)} stretches are too few to adapt to an actor: {trained} to train on "
                             f"({FEWEST_SEEN} needed), {len(held)} to hold back, in which {len(held_firsts)} windows of "
                             f"{FRAMES} begin ({FEWEST_HELD} needed)")  # fmt: skip
        heard = np.concatenate([frame_windows(p.mel, range(len(p.crops)), _RATE) for p in footage])
        stacks = np.concatenate([windows(p.mel, (f * 80 // 25 for f in range(len(p.crops)))) for p in footage])
        tensors = (torch.from_numpy(np.concatenate([p.crops for p in footage])), torch.from_numpy(heard),
                   torch.from_numpy(stacks))  # fmt: skip
        return cls(*(t.to(device) for t in tensors), np.array(firsts), np.array(held), np.array(held_firsts), seen,
                   np.array(stretch), device)  # fmt: skip

    @property
    def trained(self) -> int:
        return sum(map(len, self.seen))

    def draw(self, rng: np.random.Generator, count: int, choices: int = 12) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``count`` windows: what is heard, shown and real, frame by frame, and the expert's choices, the right one first."""
        firsts = rng.choice(self.firsts, count)
        frames = (firsts[:, None] + np.arange(FRAMES)).ravel()
        references = np.array([rng.choice(self.seen[self.stretch[f]]) for f in frames])
        others = []
        for first in firsts:
            far = self.firsts[np.abs(self.firsts - first) >= 3]
            others.append([first, *rng.choice(far, choices - 1)])
        real, shown = self._pair(frames, references)
        return self.heard[frames], shown, real, self.stacks[np.array(others)]

    @torch.no_grad()
    def measure(self, model: Wav2Lip, expert: SyncExpert) -> tuple[float, float]:
        """Mouth L1 and mean cosine on the held-back frames, each with a reference from the trained part of its stretch."""
        order = {f: i for i, f in enumerate(self.held)}
        references = [self.seen[self.stretch[f]][i * 7 % len(self.seen[self.stretch[f]])] for f, i in order.items()]
        real, shown = self._pair(self.held, np.array(references))
        made = torch.cat([model.eval()(self.heard[self.held[i : i + 64]], shown[i : i + 64])
                          for i in range(0, len(self.held), 64)])  # fmt: skip
        rows, columns = mouth_region(model.config.size)
        rounded = made.mul(255).round().div(255)
        stacks = torch.stack([rounded[order[f] : order[f] + FRAMES] for f in self.held_firsts])
        mouth = expert.mouth(mouth_stack(stacks.transpose(1, 2)))
        cosine = (mouth * expert.voice(self.stacks[self.held_firsts])).sum(dim=1).mean()
        return (made - real).abs()[:, :, rows, columns].mean().item(), cosine.item()

    @torch.no_grad()
    def offset(self, expert: SyncExpert) -> int:
        """How many frames the voice must be moved to agree best with the real mouths of the trained part."""
        total, pairs = np.zeros(2 * _SHIFTS + 1), np.zeros(2 * _SHIFTS + 1)
        for frames in self.seen:
            firsts = frames[: len(frames) - FRAMES + 1]
            if not len(firsts):
                continue
            pictures = picture_tensor(self.crops[frames])
            stacks = torch.stack([pictures[i : i + FRAMES] for i in range(len(firsts))])
            cosine = (
                (expert.mouth(mouth_stack(stacks.transpose(1, 2))) @ expert.voice(self.stacks[firsts]).T).cpu().numpy()
            )
            for k, shift in enumerate(range(-_SHIFTS, _SHIFTS + 1)):
                diagonal = cosine.diagonal(shift) if abs(shift) < len(cosine) else np.zeros(0)
                total[k], pairs[k] = total[k] + diagonal.sum(), pairs[k] + len(diagonal)
        return int(np.argmax(np.where(pairs > 0, total / np.maximum(pairs, 1), -1))) - _SHIFTS

    def _pair(self, frames: np.ndarray, references: np.ndarray) -> tuple[Tensor, Tensor]:
        real = picture_tensor(self.crops[frames])
        return real, shown_to_network(real, picture_tensor(self.crops[references]))
