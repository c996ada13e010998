"""What every training run needs: one folder with settings, metrics, a checkpoint that resumes exactly, and weights.

A checkpoint holds every part's state, both random generators and the step, and replaces the last one in a single
rename: killing the run at any moment loses at most the steps since the last checkpoint. Resuming repeats the very same
draws, so the curve goes on as if nothing had happened.
"""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dubkit.errors import InputError

CHECKPOINT = "checkpoint.pt"


class Run:
    """``parts`` are modules and optimizers by name; ``rng`` draws the data."""

    def __init__(self, folder: Path, settings: dict, parts: dict, rng: np.random.Generator):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.settings, self.parts, self.rng = folder, settings, parts, rng
        self.started = time.monotonic()
        self.seconds_before = 0.0

    def restore(self) -> int:
        """Load the checkpoint if there is one → the step to do next. Raises InputError if it is of other settings."""
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return 0
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if saved["settings"] != self.settings:
            changed = [k for k in {**saved["settings"], **self.settings}
                       if saved["settings"].get(k) != self.settings.get(k)]  # fmt: skip
            raise InputError(f"{path} was made with other settings ({', '.join(sorted(changed))}); use a new folder")
        for name, part in self.parts.items():
            part.load_state_dict(saved["parts"][name])
        torch.set_rng_state(saved["torch_rng"])
        self.rng.bit_generator.state = json.loads(saved["numpy_rng"])
        self.seconds_before = saved["seconds"]
        return saved["step"]

    def save(self, step: int) -> None:
        """``step`` is the next one to do."""
        state = {
            "step": step,
            "settings": self.settings,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": json.dumps(self.rng.bit_generator.state),
            "seconds": self.seconds,
        }
        partial = self.folder / (CHECKPOINT + ".partial")
        torch.save(state, partial)
        os.replace(partial, self.folder / CHECKPOINT)

    @property
    def seconds(self) -> float:
        """Wall seconds trained, over all resumptions."""
        return self.seconds_before + time.monotonic() - self.started

    def log(self, step: int, **values: float) -> None:
        """One JSON line in metrics.jsonl."""
        line = {
            "step": step,
            "seconds": round(self.seconds, 1),
            **{k: round(float(torch.as_tensor(v).detach()), 5) for k, v in values.items()},
        }
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Average(nn.Module):
    """Exponential moving average of a network's weights; its buffers (batch-norm statistics) are copied."""

    def __init__(self, model: nn.Module, decay: float):
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """The decay warms up, so that the first weights are soon forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)
