"""The mean of several weight files of one network, each fine-tuned from the same beginning.

Wortsman et al., "Model soups" (2022): such a mean lies between its parts and is often better than each of them, at the cost of one.
It says nothing about networks that were begun apart.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from dubkit.errors import WeightsError
from dubkit.lips.models.loading import file_digest, load_generator, read_meta, save_weights
from dubkit.train.export import KINDS


def mean_of(files: list[Path], path: Path) -> dict:
    """Write the mean of the generators in ``files`` to ``path``, with meta.json beside → what that says.

    Computed in fp32, kept as fp16; buffers of the batch norms are averaged as weights are. Raises WeightsError for fewer than
    two files and for networks of other shapes.
    """
    if len(files) < 2:
        raise WeightsError(f"a mean needs two weight files or more, got {len(files)}")
    model, *others = [load_generator(file) for file in files]
    for file, other in zip(files[1:], others, strict=True):
        if other.config != model.config:
            raise WeightsError(f"{file.name} and {files[0].name} are networks of different shapes; they have no mean")
    _take_the_mean(model, others)
    parents = [read_meta(file) or {} for file in files]
    return save_weights(model, "wav2lip", path, {
        "name": path.stem, "kind": KINDS["wav2lip"], "source": f"mean of {len(files)} weight files (dubkit train mean)",
        "mean_of": [{"name": file.name, "digest": file_digest(file)} for file in files],
        "licence": _all_of(parents, "licence"), "data": _all_of(parents, "data"), "losses": _all_of(parents, "losses"),
    })  # fmt: skip


@torch.no_grad()
def _take_the_mean(model: nn.Module, others: list[nn.Module]) -> None:
    states = [other.state_dict() for other in others]
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([value, *(state[name] for state in states)]).mean(dim=0))


def _all_of(parents: list[dict], key: str) -> str:
    """What the parents say, each saying once."""
    return " | ".join(dict.fromkeys(parent.get(key, "unknown") for parent in parents))
