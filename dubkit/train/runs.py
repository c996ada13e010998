"""What every training run needs: one folder with settings, metrics, a checkpoint that resumes exactly, and weights.

A checkpoint holds every part's state, all random generators and the step, and replaces the last one in a single
rename: killing the run at any moment loses at most the steps since the last checkpoint. Resuming repeats the very same
draws, so the curve goes on as if nothing had happened, and the metrics file has every step once.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from dubkit.errors import InputError, SettingsError
from dubkit.files import replacing

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"
Report = Callable[[str], None]


def silent(line: str) -> None:
    """A ``Report`` that says nothing."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how a step is computed. ``precision`` "bf16" runs the networks under autocast; weights, losses and averages
    stay fp32. ``accumulate`` batches are summed up before the weights move, as if they were one batch of that size.
    ``resident`` keeps pictures and sound in the device's memory; None: on CUDA, where they fit."""

    device: str = "cpu"
    precision: str = "fp32"
    accumulate: int = 1
    resident: bool | None = None

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16"):
            raise SettingsError(f"training has the precisions fp32 and bf16, got '{self.precision}'")
        if self.accumulate < 1:
            raise SettingsError(f"at least one batch makes a step, got accumulate = {self.accumulate}")
        kind, _, card = self.device.partition(":")
        if kind not in ("cpu", "cuda") or not (card or "0").isdigit():
            raise SettingsError(f"training runs on cpu, cuda or cuda:1, got '{self.device}'")
        if kind == "cuda" and int(card or 0) >= torch.cuda.device_count():
            raise SettingsError(f"device '{self.device}': this machine or this torch has {torch.cuda.device_count()} CUDA "
                                "devices; use cpu")  # fmt: skip

    def autocast(self) -> torch.autocast:
        """The context in which networks (never losses) are run."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, model: nn.Module) -> nn.Module:
        """``model`` on the device, channels last."""
        return model.to(self.device, memory_format=torch.channels_last)

    def changes(self) -> dict:
        """What of this decides what is learned, and so belongs to a run's settings; empty for the defaults."""
        return ({"precision": self.precision} if self.precision != "fp32" else {}) | (
            {"accumulate": self.accumulate} if self.accumulate > 1 else {}
        )


class Run:
    """``parts`` are modules and optimizers by name; ``rng`` draws the data; ``report`` hears of every check."""

    def __init__(self, folder: Path, settings: dict, parts: dict, rng: np.random.Generator, report: Report = silent):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.settings, self.parts, self.rng, self.report = folder, settings, parts, rng, report
        self.started = time.monotonic()
        self.seconds_before = 0.0
        self._limits = (0, 0.0, 1)  # steps, minutes, steps between checks
        self._decided = (-1, False, False)  # step, check, stop

    def steps(self, steps: int, minutes: float, check_every: int) -> Iterator[int]:
        """The steps still to do, up to ``steps`` in all or ``minutes`` of training; a checkpoint after each check."""
        self._limits = (steps, minutes, check_every)
        for step in range(self.restore(), steps):
            yield step
            if self.due(step):
                self.save(step + 1)
            if self._decided[2]:
                return

    def due(self, step: int) -> bool:
        """Whether this step ends with a check: every so often, and where the run stops. Decided once a step."""
        if self._decided[0] != step:
            steps, minutes, check_every = self._limits
            stop = self.seconds > 60 * minutes or step + 1 == steps
            self._decided = (step, stop or (step + 1) % check_every == 0, stop)
        return self._decided[1]

    @staticmethod
    def finished_steps(folder: Path) -> int:
        """How many steps the checkpoint in ``folder`` has behind it."""
        return torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)["step"]

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
        for card, rng in enumerate(saved.get("cuda_rng", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(rng, card)
        self.rng.bit_generator.state = json.loads(saved["numpy_rng"])
        self.seconds_before = saved["seconds"]
        self._forget_metrics_from(saved["step"])
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
        if torch.cuda.is_available():
            state["cuda_rng"] = torch.cuda.get_rng_state_all()
        with replacing(self.folder / CHECKPOINT) as partial:
            torch.save(state, partial)

    @property
    def seconds(self) -> float:
        """Wall seconds trained, over all resumptions."""
        return self.seconds_before + time.monotonic() - self.started

    def log(self, step: int, **values: float) -> None:
        """One JSON line in metrics.jsonl."""
        line = {"step": step, "seconds": round(self.seconds, 1), **{k: _rounded(v) for k, v in values.items()}}
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def tell(self, step: int, loss: torch.Tensor, scores: dict[str, float] | None = None) -> None:
        """The result of a check, into the metrics file and to whoever listens."""
        if scores:
            self.log(step, **scores)
        shown = {**(scores or {}), "loss": loss}
        words = ", ".join(f"{name} {_rounded(value)}" for name, value in shown.items())
        self.report(f"step {step + 1}, {self.seconds / 60:.1f} min, {words}")

    def _forget_metrics_from(self, step: int) -> None:
        """Lines of steps after the checkpoint, which a killed run left, are written again."""
        path = self.folder / METRICS
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] < step]
            if len(kept) < len(lines):
                path.write_text("".join(kept), encoding="utf-8")


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


def use_threads(count: int) -> None:
    """CPU threads of torch and OpenCV; 0 leaves them as they are."""
    if count:
        torch.set_num_threads(count)
        cv2.setNumThreads(count)


def learning_rate(highest: float, warmup: int, step: int, steps: int) -> float:
    """Up in ``warmup`` steps, level for the first 60 % of ``steps``, then a cosine down to a twentieth."""
    done = step / steps
    cooling = 1.0 if done < 0.6 else 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, (done - 0.6) / 0.4)))
    return highest * min(1, (step + 1) / warmup) * cooling


def _rounded(value: float | torch.Tensor) -> float:
    return round(float(torch.as_tensor(value).detach()), 5)
