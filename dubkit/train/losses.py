"""The losses of the expert, of SyncNet and of the baselines, each a few lines over tensors, with its source.

Those of the picture, which adaptation uses too, are in ``dubkit.lips.losses`` and can be had here as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dubkit.lips.losses import (  # one place to import a training page's losses from
    SyncExpert,
    colour_l1,
    edge_l1,
    mouth_in_grey,
    mouth_region,
    mouth_weights,
    picture_loss,
    sync_choice,
    wav2lip_total,
    weighted_l1,
)
from dubkit.lips.models.expert import mouth_stack

__all__ = [
    "colour_l1", "contrastive_margin", "cosine_bce", "edge_l1", "mouth_in_grey", "mouth_region", "mouth_weights",
    "pair_margin", "picture_loss", "shift_contrast", "sync_choice", "sync_cosine", "wav2lip_total", "weighted_l1",
]  # fmt: skip


def cosine_bce(voice: Tensor, mouth: Tensor, in_sync: Tensor) -> Tensor:
    """Binary cross-entropy on the cosine of non-negative unit vectors (B, D); ``in_sync`` (B,) of 0 and 1.
    Prajwal et al. 2020, eq. 1 and 2, as their code has it (``BCELoss`` straight on the cosine)."""
    cosine = (voice * mouth).sum(dim=1).clamp(0, 1)  # rounding may exceed 1, which BCE refuses
    return F.binary_cross_entropy(cosine, in_sync.to(cosine.dtype))


def sync_cosine(expert: SyncExpert, made: Tensor, voices: Tensor, frames: int) -> Tensor:
    """The paper's ``E_sync = 1/N Σ −log P_sync``, P_sync being the cosine of the mouths in ``made`` (clips · frames, 3, S, S) and of
    their own voice, the first in ``voices`` (clips, choices, 1, 80, 16). Prajwal et al. 2020, eq. 5. Only for an expert whose
    cosine is a probability (the official design); it must be frozen."""
    seen = expert.mouth(mouth_stack(made.unflatten(0, (-1, frames)).transpose(1, 2))).float()
    with torch.no_grad():
        heard = expert.voice(voices[:, 0]).float()
    return -(seen * heard).sum(dim=1).clamp(1e-6, 1).log().mean()


def shift_contrast(voice: Tensor, mouth: Tensor, temperature: Tensor, ignore: int = 0) -> Tensor:
    """Cross-entropy over the shifts inside a clip: of all W windows, which voice goes with this mouth, and which mouth
    with this voice? ``voice`` and ``mouth`` are (C, W, D) unit vectors; pairs up to ``ignore`` windows apart (but not
    the right one) are left out of the choice. InfoNCE (van den Oord et al. 2018) with negatives from the same clip."""
    scores = torch.einsum("cid,cjd->cij", mouth, voice) * temperature
    count = scores.shape[1]
    apart = (torch.arange(count)[:, None] - torch.arange(count)).abs().to(scores.device)
    scores = scores.masked_fill((apart > 0) & (apart <= ignore), float("-inf"))
    right = torch.arange(count, device=scores.device).expand(len(scores), -1).flatten()
    return (F.cross_entropy(scores.flatten(0, 1), right) + F.cross_entropy(scores.mT.flatten(0, 1), right)) / 2


def contrastive_margin(video: Tensor, audio: Tensor, in_sync: Tensor, margin: float = 20.0) -> Tensor:
    """Chung and Zisserman, "Out of time" (2016): ``E = 1/2N Σ y·d² + (1 − y)·max(margin − d, 0)²`` on the Euclidean
    distance d of the embeddings (B, D)."""
    distance = (video - audio).square().sum(dim=1).clamp_min(1e-12).sqrt()
    in_sync = in_sync.to(distance.dtype)
    return (in_sync * distance**2 + (1 - in_sync) * (margin - distance).clamp_min(0) ** 2).mean() / 2


def pair_margin(near: Tensor, wrong: tuple[Tensor, ...], margin: float) -> Tensor:
    """LipGAN's judge: ``near`` (B,) distances of real faces from their own voice go to 0, every distance in ``wrong`` (real
    faces with another voice, made faces) to at least ``margin``; the wrong kinds share one half."""
    return near.square().mean() + sum((margin - d).clamp_min(0).square().mean() for d in wrong) / len(wrong)
