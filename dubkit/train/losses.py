"""The training losses, each a few lines over tensors, with its source."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_bce(voice: Tensor, mouth: Tensor, in_sync: Tensor) -> Tensor:
    """Binary cross-entropy on the cosine of non-negative unit vectors (B, D); ``in_sync`` (B,) of 0 and 1.
    Prajwal et al. 2020, eq. 1 and 2, as their code has it (``BCELoss`` straight on the cosine)."""
    cosine = (voice * mouth).sum(dim=1).clamp(0, 1)  # rounding may exceed 1, which BCE refuses
    return F.binary_cross_entropy(cosine, in_sync.to(cosine.dtype))


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


def weighted_l1(made: Tensor, real: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean absolute difference; ``weights`` (H, W) have mean 1 or are left out (the paper's plain L1)."""
    difference = (made - real).abs()
    return (difference if weights is None else difference * weights).mean()


def edge_l1(made: Tensor, real: Tensor, weights: Tensor | None = None) -> Tensor:
    """L1 between the horizontal and vertical pixel differences (B, 3, H, W): what is wrong at the finest scale, such as
    the dither an expert that looks at halved pictures does not see. Mathieu et al. 2016, with exponent 1."""
    total = made.new_zeros(())
    for axis in (2, 3):
        difference = (made.diff(dim=axis) - real.diff(dim=axis)).abs()
        total = (
            total
            + (
                difference if weights is None else difference * weights.narrow(axis - 2, 1, difference.shape[axis])
            ).mean()
        )
    return total / 2


def mouth_weights(size: int, mouth: float) -> Tensor:
    """Weights (size, size) of mean 1: the lower middle of the crop (rows from 58 %, columns 20 to 80 %) counts
    ``mouth`` times as much as the rest."""
    weights = torch.ones(size, size)
    weights[mouth_region(size)] = mouth
    return weights / weights.mean()


def mouth_region(size: int) -> tuple[slice, slice]:
    """Rows and columns where lips and jaw move; "mouth L1" in every table is measured here."""
    return slice(round(size * 0.58), size), slice(round(size * 0.2), round(size * 0.8))


def wav2lip_total(l1: Tensor, sync: Tensor | float, sync_weight: float,
                  visual: Tensor | float = 0.0, visual_weight: float = 0.0) -> Tensor:  # fmt: skip
    """``s_w · E_sync + s_g · L_gen + (1 − s_w − s_g) · L1`` (Prajwal et al. 2020, eq. 6)."""
    return sync_weight * sync + visual_weight * visual + (1 - sync_weight - visual_weight) * l1
