"""All tables of docs/training.md in one go, as numbers and as Markdown: ``dubkit train measure``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dubkit.errors import InputError
from dubkit.lips.adapt import Footage
from dubkit.lips.models.loading import BUNDLED_EXPERT, BUNDLED_GENERATOR, load_expert, load_speaker
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.data import TalkingFaces
from dubkit.train.measure import expert_table, fid_table, generator_table, painter, picture_table, untouched

SHOWN = (-15, -10, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 10, 15)  # frames of shift that the Markdown shows


KINDS = ("expert", "sync", "pictures", "fid")


def all_tables(shards: Path, models: dict[str, Path], expert: Path | None = None, pairs: int = 40, clips: int = 30,
               shifted: int = 10, inception: Path | None = None, only: Sequence[str] = ()) -> dict:  # fmt: skip
    """The tables in ``only`` (none: all, FID where ``inception`` is given) of ``models`` by name (none: the bundled generator),
    beside the untouched source and the first model untrained; numbers ready for JSON. Raises WeightsError or InputError."""
    if unknown := set(only) - set(KINDS):
        raise InputError(f"there is no table '{sorted(unknown)[0]}'; choose among {', '.join(KINDS)}")
    wanted = only or [kind for kind in KINDS if kind != "fid" or inception]
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
    shown = {"reference shown as it is": None} | compared
    tables = {
        "expert": lambda: expert_table(judge, data),
        "sync": lambda: generator_table(painters, judge, data, pairs),
        "pictures": lambda: picture_table(shown, data, clips),
        "fid": lambda: fid_table(shown, data, inception),
    }
    return {"judge": (expert or BUNDLED_EXPERT).stem, "pairs": pairs} | {kind: tables[kind]() for kind in wanted}


def as_markdown(found: dict) -> str:
    """The tables as docs/training.md has them."""
    parts = []
    if expert := found.get("expert"):
        accuracies = [[n, r["clips"], f"{r['accuracy']:.3f}", "0.500", "0.91 (LRS2)"] for n, r in expert.items()]
        parts += [
            _table(["set", "held-out clips", "accuracy", "chance", "the paper's"], accuracies),
            _curves("set", expert),
        ]
    if sync := found.get("sync"):
        rows = [[n, f"{r['lse_d']:.3f}", f"{r['lse_c']:.3f}", f"{r['av_offset']:+d}", f"{r['cosine_in_place']:.3f}"] for n, r in sync.items()]  # fmt: skip
        parts += [f"Judge: {found['judge']}, not the public SyncNet; {found['pairs']} pairs.",
                  _table(["shown", "LSE-D ↓", "LSE-C ↑", "AV offset", "cosine in place"], rows), _curves("shown", sync)]  # fmt: skip
    if pictures := found.get("pictures"):
        titles = ["clips", "mouth L1 ↓", "PSNR ↑", "SSIM ↑", "closing ↑", "Fréchet, EfficientNet-Lite0 (not FID) ↓"]
        keys = ["clips", "mouth_l1", "psnr", "ssim", "closing", "frechet_efficientnet"]
        rows = [[name, group, *(f"{numbers[key]:.4g}" for key in keys)] for name, groups in pictures.items() for group, numbers in groups.items()]  # fmt: skip
        parts.append(_table(["shown", "set", *titles], rows))
    if fid := found.get("fid"):
        parts.append(_table(["shown", "pictures", "FID ↓"], [[n, r["pictures"], f"{r['fid']:.1f}"] for n, r in fid.items()]))  # fmt: skip
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
