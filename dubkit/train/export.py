"""From a run's checkpoint to weights that can be used: safetensors in half precision, with meta.json beside."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path

from torch import nn

from dubkit import __version__
from dubkit.lips.models.loading import file_digest, save_weights
from dubkit.train.data import TalkingFaces
from dubkit.train.runs import METRICS, Run

KINDS = {
    "wav2lip": "generator",
    "expert": "expert",
    "small-expert": "expert",
    "speech2vid": "baseline",
    "syncnet": "judge",
}


def export(model: nn.Module, architecture: str, run: Path, shards: Path, settings: object, losses: str,
           start_from: Path | None = None, name: str | None = None) -> Path:  # fmt: skip
    """Write ``RUN/NAME.safetensors`` and its meta.json → the weights' path. The licence is that of the data."""
    path = run / f"{name or run.name}.safetensors"
    data = TalkingFaces(shards, "train", pictures=False)
    frames = {name: sum(c.stop - c.start for c in data.clips if c.set == name) for name in data.sets}
    people = {name: len({c.identity for c in data.clips if c.set == name}) for name in data.sets}
    save_weights(model, architecture, path, {
        "name": path.stem, "kind": KINDS[architecture], "source": f"trained with dubkit {__version__}",
        "licence": data.licence,
        "data": "; ".join(f"{n}: {people[n]} people, {frames[n] / 1500:.1f} minutes" for n in data.sets),
        "data_digest": file_digest(shards / "shards.json"), "held_out": "whole identities, by shards.json",
        "started_from": file_digest(start_from) if start_from else None,
        "losses": losses, "settings": asdict(settings) if is_dataclass(settings) else settings, **_progress(run),
    })  # fmt: skip
    return path


def _progress(run: Path) -> dict:
    """Steps and seconds, and the last scores on held-out people, from the metrics file."""
    lines = [json.loads(line) for line in (run / METRICS).read_text(encoding="utf-8").splitlines()]
    scores = next((line for line in reversed(lines) if any(k.startswith(("accuracy", "mouth_l1")) for k in line)), {})
    found = {key: value for key, value in scores.items() if key not in ("step", "seconds")}
    return {"steps": Run.finished_steps(run), "seconds": lines[-1]["seconds"], "held_out_scores": found}
