"""All tables of docs/training.md in one go, as numbers and as Markdown: ``dubkit train measure``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from dubkit.errors import InputError
from dubkit.files import atomic_write
from dubkit.lips.adapt import Footage
from dubkit.lips.models.loading import BUNDLED_EXPERT, BUNDLED_GENERATOR, file_digest, load_expert, load_speaker
from dubkit.lips.models.wav2lip import Wav2Lip
from dubkit.train.data import TalkingFaces
from dubkit.train.measure import (
    expert_table,
    fid_table,
    generator_table,
    mismatched,
    painter,
    picture_table,
    untouched,
)

SHOWN = (-15, -10, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 10, 15)  # frames of shift that the Markdown shows
KINDS = ("expert", "sync", "pictures", "apart", "fid")
SOURCE, REFERENCE = "untouched source under that voice", "reference shown as it is"
LAID = (
    "References: of the person's other clips the picture nearest in pose, laid over the frame, as the engine does it."
)
APART = "References: the person's next clip, whatever its pose."
REAL, UNTRAINED = "the same faces under their own voice", "the same net, untrained"


def all_tables(shards: Path, models: dict[str, Path], expert: Path | None = None, pairs: int = 40, clips: int = 30,
               shifted: int = 10, inception: Path | None = None, only: Sequence[str] = (),
               output: Path | None = None) -> dict:  # fmt: skip
    """The tables in ``only`` (none: all, FID where ``inception`` is given) of ``models`` by name (none: the bundled generator),
    beside the real footage, the untouched source and the first model untrained; numbers ready for JSON.

    ``output`` gets each table as it is done, and those that it has are not made again: a killed run goes on.
    Raises WeightsError or InputError, also where ``output`` has tables of other weights or numbers of clips.
    """
    if unknown := set(only) - set(KINDS):
        raise InputError(f"there is no table '{sorted(unknown)[0]}'; choose among {', '.join(KINDS)}")
    wanted = only or [kind for kind in KINDS if kind != "fid" or inception]
    models, expert = models or {"bundled": BUNDLED_GENERATOR}, expert or BUNDLED_EXPERT
    weights = {name: file_digest(path) for name, path in (models | {"judge": expert}).items()}
    found = {"judge": expert.stem, "pairs": pairs, "clips": clips, "shifted": shifted, "weights": weights}
    found = _begun(output, found)

    data = TalkingFaces(shards, "val")
    speakers = {name: load_speaker(path) for name, path in models.items()}
    torch.manual_seed(0)
    first = next(iter(speakers.values()))
    untrained = {UNTRAINED: Wav2Lip(first.config).eval()} if isinstance(first, Wav2Lip) else {}
    compared = untrained | speakers
    painters = {SOURCE: untouched(data)} | {name: painter(model, data) for name, model in compared.items()}
    late = {f"{name}, made with the voice {shifted} frames late": painter(model, data, -shifted)
            for name, model in speakers.items() if shifted}  # fmt: skip

    def sync() -> dict:
        judge, drawn = load_expert(expert), mismatched(data, pairs)
        own = [(face, face, frames) for face, _, frames in drawn]
        return generator_table({REAL: untouched(data)}, judge, data, own) | generator_table(painters | late, judge, data, drawn)  # fmt: skip

    tables: dict[str, Callable[[], dict]] = {
        "expert": lambda: expert_table(load_expert(expert), data),
        "sync": sync,
        "pictures": lambda: picture_table({REFERENCE: None} | compared, data, clips, "laid"),
        "apart": lambda: picture_table({REFERENCE: None} | compared, data, clips, "apart"),
        "fid": lambda: fid_table(painters, data, mismatched(data, pairs), inception),
    }
    for kind in (kind for kind in wanted if kind not in found):
        found[kind] = tables[kind]()
        if output:
            atomic_write(output, json.dumps(found, indent=1).encode())
    return found


def _begun(output: Path | None, header: dict) -> dict:
    """The tables that ``output`` has already. Raises InputError where they are of something else."""
    if output is None or not output.is_file():
        return header
    found = json.loads(output.read_text(encoding="utf-8"))
    if other := sorted(key for key in header if found.get(key) != header[key]):
        raise InputError(f"{output} has tables of another run ({', '.join(other)} differ); name another file")
    return found


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
        parts += [f"Judge: {found['judge']}, not the public SyncNet; {found['pairs']} pairs.", _main_table(found, sync),
                  _curves("shown", sync)]  # fmt: skip
    for pictures, caption in ((found.get("pictures"), LAID), (found.get("apart"), APART)):
        if not pictures:
            continue
        titles = ["clips", "mouth L1 ↓", "PSNR ↑", "SSIM ↑", "closing ↑", "Fréchet, EfficientNet-Lite0 (not FID) ↓"]
        keys = ["clips", "mouth_l1", "psnr", "ssim", "closing", "frechet_efficientnet"]
        rows = [[name, group, *(f"{numbers[key]:.4g}" for key in keys)] for name, groups in pictures.items() for group, numbers in groups.items()]  # fmt: skip
        parts += [caption, _table(["shown", "set", *titles], rows)]
    return "\n\n".join(parts)


def _main_table(found: dict, sync: dict[str, dict]) -> str:
    """Sync with somebody else's voice and, where they were measured, FID of the same pictures and mouth L1 of both
    reconstructions (for the untouched source: of the reference shown as it is)."""
    fid = found.get("fid", {})
    columns = [(how, kind, name) for kind, how in (("pictures", ""), ("apart", " (next clip)"))
               for name in next(iter(found.get(kind, {}).values()), {})]  # fmt: skip
    titles = ["shown", "LSE-D ↓", "LSE-C ↑", "AV offset", "cosine in place", *(["FID ↓"] if fid else []),
              *(f"mouth L1, {name}{how} ↓" for how, _, name in columns)]  # fmt: skip
    rows = []
    for name, r in sync.items():
        rebuilt = [found[kind].get(REFERENCE if name == SOURCE else name, {}).get(s) for _, kind, s in columns]
        row = [name, f"{r['lse_d']:.3f}", f"{r['lse_c']:.3f}", f"{r['av_offset']:+d}", f"{r['cosine_in_place']:.3f}"]
        row += [f"{fid[name]['fid']:.1f}" if name in fid else "–"] if fid else []
        rows.append(row + [f"{numbers['mouth_l1']:.4f}" if numbers else "–" for numbers in rebuilt])
    return _table(titles, rows)


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


def _curves(first: str, rows: dict[str, dict]) -> str:
    return _table([first, *(f"{s:+d}" if s else "0" for s in SHOWN)],
                  [[name, *(f"{row['cosine_over_shifts'][s + 15]:.2f}" for s in SHOWN)] for name, row in rows.items()])  # fmt: skip


def _table(titles: list[str], rows: list[list]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
