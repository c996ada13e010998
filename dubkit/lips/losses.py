"""How far a made face is from the real one, and from its voice: the losses that training and adaptation share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dubkit.lips.models.expert import LipSyncExpert, mouth_stack
from dubkit.lips.models.small_expert import SmallExpert

SyncExpert = LipSyncExpert | SmallExpert


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
        if weights is not None:
            difference = difference * weights.narrow(axis - 2, 1, difference.shape[axis])
        total = total + difference.mean()
    return total / 2


def colour_l1(made: Tensor, real: Tensor, weights: Tensor | None = None) -> Tensor:
    """L1 of what is left of each pixel (B, 3, H, W) without its grey. A small expert hears in brightness alone and would
    rather have purple or green lips than wrong ones; this says that their colour is the actor's."""
    return weighted_l1(made - made.mean(dim=1, keepdim=True), real - real.mean(dim=1, keepdim=True), weights)


def picture_loss(
    made: Tensor, real: Tensor, weights: Tensor | None = None, edges: float = 0.0, colour: float = 0.0
) -> Tensor:
    """``weighted_l1`` + ``edges`` · ``edge_l1`` + ``colour`` · ``colour_l1``: the L1 of every page that makes pictures."""
    loss = weighted_l1(made, real, weights)
    if edges:
        loss = loss + edges * edge_l1(made, real, weights)
    if colour:
        loss = loss + colour * colour_l1(made, real, weights)
    return loss


def mouth_in_grey(made: Tensor, real: Tensor) -> Tensor:
    """What a colour-blind expert may judge (B, 3, S, S): the made mouth, in grey, softly set into the real face. So its gradient
    can neither tint the lips nor draw lines elsewhere in the lower half that please it."""
    size = made.shape[-1]
    soft = made.new_zeros(1, 1, size, size)
    soft[(0, 0, *mouth_region(size))] = 1
    rim = size // 24
    soft = F.avg_pool2d(F.pad(soft, (rim,) * 4, mode="replicate"), 2 * rim + 1, stride=1)
    return (real + soft * (made - real)).mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)


def sync_choice(expert: SyncExpert, made: Tensor, voices: Tensor, frames: int, temperature: float) -> Tensor:
    """Cross-entropy of the expert's choice among ``voices`` (clips, choices, 1, 80, 16), the right one first, for the mouths in
    ``made`` (clips · frames, 3, S, S). The gradient passes to the picture; the expert must be frozen."""
    mouths = mouth_stack(made.unflatten(0, (-1, frames)).transpose(1, 2))
    with torch.no_grad():
        heard = expert.voice(voices.flatten(0, 1)).unflatten(0, voices.shape[:2]).float()
    seen = expert.mouth(mouths).float()
    with torch.autocast(made.device.type, enabled=False):  # which would round the cosines to 8 bits
        scores = torch.einsum("bd,bkd->bk", seen, heard) * temperature
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))


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
