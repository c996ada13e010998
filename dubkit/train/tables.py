"""All tables of docs/training.md in one go, as numbers and as Markdown: ``dubkit train measure``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dubkit.errors import InputError
from dubkit.lips.adapt import Footage
from dubkit.lips.models.loading import BUNDLED_EXPERT, BUNDLED_GENERATOR, load_expert, load_speaker
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.data import TalkingFaces
from dubkit.train.measure import expert_table, generator_table, painter, picture_table, untouched

SHOWN = (-15, -10, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 10, 15)  # frames of shift that the Markdown shows


def all_tables(shards: Path, models: dict[str, Path], expert: Path | None = None, pairs: int = 40, clips: int = 30,
               shifted: int = 10, inception: Path | None = None) -> dict:  # fmt: skip
    """``models`` by name (none: the bundled generator), beside the untouched source and the first model untrained; numbers
    ready for JSON. Raises WeightsError or InputError."""
    data, judge = TalkingFaces(shards, "val"), load_expert(expert or BUNDLED_EXPERT)
    speakers = {name: load_speaker(path) for name, path in (models or {"bundled": BUNDLED_GENERATOR}).items()}
    torch.manual_seed(0)
    untrained = Wav2Lip(next(iter(speakers.values())).config).eval() if _is_wav2lip(speakers) else None
    compared = ({"the same net, untrained": untrained} if untrained else {}) | speakers
    painters = {"untouched source under that voice": untouched(data)}
    painters |= {name: painter(model, data) for name, model in compared.items()}
    if shifted:
        painters |= {f"{name}, made with the voice {shifted} frames late": painter(model, data, -shifted)
                     for name, model in speakers.items()}  # fmt: skip
    return {
        "judge": (expert or BUNDLED_EXPERT).stem, "pairs": pairs, "expert": expert_table(judge, data),
        "sync": generator_table(painters, judge, data, pairs),
        "pictures": picture_table({"reference shown as it is": None} | compared, data, clips, inception),
    }  # fmt: skip


def as_markdown(found: dict) -> str:
    """The tables as docs/training.md has them."""
    expert = found["expert"]
    parts = [_table(["set", "held-out clips", "accuracy (chance 0.50)"], [[n, r["clips"], f"{r['accuracy']:.3f}"] for n, r in expert.items()]),
             _curves("set", expert)]  # fmt: skip
    rows = [[n, f"{r['lse_d']:.3f}", f"{r['lse_c']:.3f}", f"{r['av_offset']:+d}", f"{r['cosine_in_place']:.3f}"] for n, r in found["sync"].items()]  # fmt: skip
    parts += [f"Judge: {found['judge']}, not the public SyncNet; {found['pairs']} pairs.",
              _table(["shown", "LSE-D ↓", "LSE-C ↑", "AV offset", "cosine in place"], rows), _curves("shown", found["sync"])]  # fmt: skip
    keys = ["mouth_l1", "psnr", "ssim", "closing", "frechet_efficientnet", "fid"]
    titles = ["mouth L1 ↓", "PSNR ↑", "SSIM ↑", "closing ↑", "Fréchet, EfficientNet-Lite0 (not FID) ↓", "FID ↓"]
    some = next(iter(next(iter(found["pictures"].values())).values()))
    keys = [key for key in keys if key in some]
    rows = [[name, group, *(f"{numbers[key]:.4g}" for key in keys)] for name, groups in found["pictures"].items() for group, numbers in groups.items()]  # fmt: skip
    parts.append(_table(["shown", "set", *titles[: len(keys)]], rows))
    return "\n\n".join(parts)


def footage_of(shards: Path, identity: str, seconds: float) -> list[Footage]:
    """The first clips of one person of either split, ``seconds`` in all, as adaptation takes them. Raises InputError."""
    for split in ("train", "val"):
        data = TalkingFaces(shards, split)
        clips = [clip for clip in data.clips if clip.identity == identity]
        found, left = [], round(25 * seconds)
        for clip in clips:
            frames = np.arange(clip.start, min(clip.stop, clip.start + left))
            left -= len(frames)
            mel = data.mels[clip.shard][:, clip.start * 80 // 25 : clip.stop * 80 // 25]
            found.append(Footage(np.ascontiguousarray(data.crops(clip, frames)), mel))
            if left <= 0:
                break
        if found:
            return found
    raise InputError(f"there is no '{identity}' in {shards}")


def _is_wav2lip(speakers: dict) -> bool:
    return isinstance(next(iter(speakers.values())), Wav2Lip)


def _curves(first: str, rows: dict[str, dict]) -> str:
    return _table([first, *(f"{s:+d}" if s else "0" for s in SHOWN)],
                  [[name, *(f"{row['cosine_over_shifts'][s + 15]:.2f}" for s in SHOWN)] for name, row in rows.items()])  # fmt: skip


def _table(titles: list[str], rows: list[list]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
