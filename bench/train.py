"""Training throughput: where a step's time goes. ``python bench/train.py SHARDS [--device cuda --bf16] [--steps 10]``.

Prints samples a second and the shares of drawing data, forward, backward and optimizer for the expert and the generator.
CPU seconds stand beside wall seconds: on a shared machine only the former mean something.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.models.wav2lip import Wav2Lip, Wav2LipConfig
from dubkit.train.batches import expert_batch, generator_batch
from dubkit.train.expert import ExpertSettings
from dubkit.train.generator import SMALL, GeneratorSettings
from dubkit.train.losses import mouth_weights, shift_contrast, sync_choice, wav2lip_total, weighted_l1
from dubkit.train.resident import talking_faces
from dubkit.train.runs import Compute


class Clock:
    """Sums CPU and wall seconds by name; waits for the GPU where there is one."""

    def __init__(self, device: str):
        self.device, self.spent, self.last = device, {}, (time.process_time(), time.perf_counter())

    def lap(self, name: str) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        now = time.process_time(), time.perf_counter()
        cpu, wall = self.spent.get(name, (0.0, 0.0))
        self.spent[name] = cpu + now[0] - self.last[0], wall + now[1] - self.last[1]
        self.last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument(
        "--width", type=int, default=0, help="a Wav2Lip of this width (official: 16); 0: the bundled one"
    )
    parser.add_argument(
        "--clips", type=int, default=0, help="clips a step, for both; 0: as the bundled ones were trained"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    compute = Compute(args.device, "bf16" if args.bf16 else "fp32")
    data = talking_faces(args.shards, "train", compute)
    print(f"data: {type(data).__name__}, {sum(f.nbytes for f in data.faces) / 1e9:.2f} GB")
    shares = {name: 1.0 for name in data.sets}

    settings = ExpertSettings(shares=shares, clips=args.clips or 20)
    expert = SmallExpert().to(args.device)
    optimizer = torch.optim.AdamW(expert.parameters(), lr=1e-3)
    rng, clock = np.random.default_rng(0), None
    for step in range(args.steps + 1):
        clock = Clock(args.device) if step == 1 else clock or Clock(args.device)  # the first step warms up
        mel, mouths = (tensor.to(args.device) for tensor in expert_batch(data, rng, settings))
        clock.lap("data")
        with compute.autocast():
            pair = expert(mel, mouths.float() / 255)
        voice, mouth = (e.float().unflatten(0, (settings.clips, settings.windows)) for e in pair)
        loss = shift_contrast(voice, mouth, torch.tensor(10.0, device=args.device))
        clock.lap("forward")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clock.lap("backward")
        optimizer.step()
        clock.lap("optimizer")
    show("expert, windows", clock, args.steps * settings.clips * settings.windows)

    draw = GeneratorSettings(clips=args.clips or 7, frames=5, shares=shares)
    model = Wav2Lip(Wav2LipConfig.of_width(args.width) if args.width else SMALL).to(
        args.device, memory_format=torch.channels_last
    )
    expert.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    weights = mouth_weights(96, draw.mouth).to(args.device)
    for step in range(args.steps + 1):
        clock = Clock(args.device) if step in (0, 1) else clock
        batch = generator_batch(data, rng, draw.clips, draw.frames, shares, draw.choices).to(args.device)
        clock.lap("data")
        with compute.autocast():
            made = model(batch.mel, batch.shown).float()
        clock.lap("forward")
        with compute.autocast():
            sync = sync_choice(expert, made, batch.voices, draw.frames, draw.temperature)
        loss = wav2lip_total(weighted_l1(made, batch.real, weights), sync, 0.01)
        clock.lap("losses")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clock.lap("backward")
        optimizer.step()
        clock.lap("optimizer")
    show("generator, frames", clock, args.steps * draw.clips * draw.frames)


def show(title: str, clock: Clock, samples: int) -> None:
    cpu, wall = (sum(spent[k] for spent in clock.spent.values()) for k in (0, 1))
    parts = ", ".join(f"{name} {100 * spent[0] / cpu:.0f} %" for name, spent in clock.spent.items())
    print(f"{title}: {samples / cpu:.1f} a CPU second, {samples / wall:.1f} a wall second; of the CPU time: {parts}")


if __name__ == "__main__":
    main()
