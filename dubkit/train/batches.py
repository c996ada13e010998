"""What the networks are shown in one step: draws of ``TalkingFaces`` made into tensors.

Nothing here trains; the pages that do (``expert.py``, ``generator.py``, ``gan.py`` …) call these. The data decide on which
device the tensors are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dubkit.lips.models.expert import FRAMES
from dubkit.lips.models.wav2lip import picture_tensor, shown_to_network
from dubkit.lips.reference import laid_over
from dubkit.train.data import Clip, Move, Stretch, TalkingFaces, mouth_stacks

APART = 5
"""The reference starts at least so many frames from the frames to be made: its mouth says something else."""


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
                    choices: int = 0, other_clip: float = 0.0, laid: bool = False) -> Batch:  # fmt: skip
    """Draw ``clips`` stretches of ``frames`` frames, each frame with its own reference from elsewhere in the clip, or, for the
    share ``other_clip`` of the stretches, from another clip of that person. ``laid``: such a reference is laid over its
    frame as the engine lays it, and where it does not fit the clip's own takes its place; that is done on the CPU.

    The public code takes five consecutive references; their mouths move by themselves, in step with another moment of the
    same voice, which the sync loss must first unlearn.
    """
    targets, references, voices, spare = [], [], [], {}
    for clip in data.draw_clips(rng, clips, 2 * APART + frames + FRAMES + 1, shares):
        # a frame's voice reaches from one frame before it to four after
        first = int(rng.integers(clip.start + 1, clip.stop - frames - FRAMES + 2))
        source = data.another_clip(rng, clip) if other_clip and rng.random() < other_clip else clip
        move = Move.draw(rng)
        targets.append(Stretch(clip, np.arange(first, first + frames), move))
        references.append(Stretch(source, _elsewhere(rng, source, clip, first, frames), move))
        if laid and source != clip:
            spare[len(references) - 1] = Stretch(clip, _elsewhere(rng, clip, clip, first, frames), move)
        if choices:
            voices.append(Stretch(clip, _choices(clip, first, choices, rng), move))
    pictures = data.pictures([stretch for pair in zip(targets, references, strict=True) for stretch in pair])
    pairs = pictures.unflatten(0, (clips, 2, frames))
    for at, own in spare.items():
        pairs[at, 1] = _laid(pairs[at, 1], pairs[at, 0], data.pictures([own]))
    real, shown = picture_tensor(pairs[:, 0].flatten(0, 1)), picture_tensor(pairs[:, 1].flatten(0, 1))
    heard = data.stack_voices(voices).unflatten(0, (clips, choices)) if choices else torch.empty(0)
    return Batch(data.frame_voices(targets), shown_to_network(real, shown), real, heard)


def _elsewhere(rng: np.random.Generator, source: Clip, clip: Clip, first: int, frames: int) -> np.ndarray:
    """Frames of ``source`` in order, none of them near the frames to be made."""
    far = [f for f in range(source.start, source.stop)
           if source != clip or f <= first - APART or f >= first + frames + APART - 1]  # fmt: skip
    return np.sort(rng.choice(far, size=frames, replace=len(far) < frames))


def _laid(references: Tensor, targets: Tensor, own: Tensor) -> Tensor:
    """References moved onto their targets; where they do not fit, ``own``. All uint8 (frames, S, S, 3) BGR."""
    given = (tensor.cpu().numpy() for tensor in (references, targets, own))
    laid = [
        mine if (found := laid_over(other, target)) is None else found
        for other, target, mine in zip(*given, strict=True)
    ]
    return torch.from_numpy(np.stack(laid)).to(references.device)


def _choices(clip: Clip, first: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """The right window and ``count - 1`` others of the clip, at least 3 frames away."""
    far = [f for f in range(clip.start, clip.stop - FRAMES + 1) if abs(f - first) >= 3]
    return np.concatenate(([first], rng.choice(far, size=count - 1, replace=len(far) < count - 1)))


def expert_batch(data: TalkingFaces, rng: np.random.Generator, s) -> tuple[Tensor, Tensor]:
    """``clips × windows`` pairs of an ``ExpertSettings``, in order → mel (N, 1, 80, 16), mouths uint8 (N, 15, 48, 96)."""
    span = (s.windows - 1) * s.stride + FRAMES
    firsts, seen, heard = np.arange(s.windows) * s.stride, [], []
    for clip in data.draw_clips(rng, s.clips, span, s.shares):
        start = int(rng.integers(clip.start, clip.stop - span + 1))
        move = Move.draw(rng)
        seen.append(Stretch(clip, np.arange(start, start + span), move))
        heard.append(Stretch(clip, start + firsts, move))
    places = (np.arange(s.clips)[:, None] * span + firsts).ravel()
    return data.stack_voices(heard), mouth_stacks(data.pictures(seen), places)
