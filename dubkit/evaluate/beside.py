"""A result's faces beside those of the film it was made from: how far the pictures are apart, and whether lips close.

Pictures are the 96-pixel crops of every face that can be followed. PSNR, SSIM and LPIPS compare frame with frame, so they
say how much was changed, and are a measure of quality only where the voice is the same. The Fréchet distances compare
the two piles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.evaluate.pictures import closing, fid, frechet_efficientnet, lpips, psnr, ssim

if TYPE_CHECKING:
    from dubkit.evaluate.lips import Spoken

MOST = 300  # pictures compared, spread over the film
_QUIET = 0.1  # of the loud moments' level (95th percentile): nobody speaks


def closing_in_silence(faces: Sequence[Spoken]) -> float:
    """The chance that of two frames of a face, one while nobody is heard and one while somebody is, the former has the more
    closed lips; mean over faces, NaN where no face has both. 0.5 is chance; real films stay below 1."""
    from dubkit.lips.reference import openness

    found = []
    for face in faces:
        count = min(len(face.pictures), len(face.audio) // 640)
        level = np.sqrt((face.audio[: 640 * count].reshape(count, 640) ** 2).mean(axis=1))
        found.append(closing(openness(face.pictures[:count]), level < _QUIET * np.quantile(level, 0.95)))
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def compare(result: Sequence[Spoken], reference: Sequence[Spoken], inception: Path | None = None,
            alexnet: Path | None = None) -> dict[str, float | str]:  # fmt: skip
    """PSNR, SSIM, LPIPS of the faces that both films have at the same place; Fréchet distances of all. What cannot be had on
    this machine is a sentence that says why."""
    there = {(face.start, len(face.pictures)): face for face in reference}
    pairs = [(a, b) for face in result if (face.start, len(face.pictures)) in there
             for a, b in zip(face.pictures, there[face.start, len(face.pictures)].pictures, strict=True)]  # fmt: skip
    pairs = [pairs[i] for i in _spread(len(pairs))]
    piles = [[picture for face in faces for picture in face.pictures] for faces in (result, reference)]
    piles = [[pile[i] for i in _spread(len(pile))] for pile in piles]
    found: dict[str, float | str] = {"pairs": len(pairs), "pictures": len(piles[0])}
    measures = {
        "psnr": lambda: float(np.mean([min(psnr(*pair), 99.0) for pair in pairs])),
        "ssim": lambda: float(np.mean([ssim(*pair) for pair in pairs])),
        "lpips": lambda: lpips([a for a, _ in pairs], [b for _, b in pairs], alexnet),
        "frechet_efficientnet": lambda: frechet_efficientnet(*piles),
        "fid": lambda: fid(*piles, inception),
    }
    for name, measure in measures.items():
        if not pairs and name in ("psnr", "ssim", "lpips"):
            found[name] = "no face is at the same place in both films"
            continue
        try:
            found[name] = round(measure(), 4)
        except EngineUnavailable as error:
            found[name] = f"not measured: {error.reason}; {error.remedy}"
    return found


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int)) if count else np.zeros(0, int)
