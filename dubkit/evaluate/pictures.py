"""Picture measures: PSNR, SSIM, mouth L1, and FID where its Inception weights are at hand.

SSIM is scikit-image's, FID torchmetrics' (Heusel et al. 2017). FID means nothing without the one Inception network it is
defined on; that is a download, so its file is asked for by path and never fetched here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dubkit.errors import EngineUnavailable, InputError


def psnr(made: np.ndarray, real: np.ndarray) -> float:
    """Peak signal-to-noise ratio of uint8 pictures in dB; infinite where they are equal."""
    _same_shape(made, real)
    error = np.mean((made.astype(np.float64) - real) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(made: np.ndarray, real: np.ndarray) -> float:
    """Structural similarity of two uint8 pictures (H, W, 3), 1 where they are equal."""
    _same_shape(made, real)
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise EngineUnavailable("ssim", "the package 'scikit-image' is missing", "pip install scikit-image") from error
    return float(structural_similarity(made, real, channel_axis=2, data_range=255))


def fid(made: Iterable[np.ndarray], real: Iterable[np.ndarray], weights: Path | None) -> float:
    """Fréchet Inception distance between two piles of uint8 pictures (H, W, 3). ``weights`` is the file
    ``pt_inception-2015-12-05-6726825d.pth`` of the torch-fidelity project. Raises EngineUnavailable."""
    remedy = "fetch pt_inception-2015-12-05-6726825d.pth (torch-fidelity releases) and give its path; pip install torchmetrics torch-fidelity"
    if weights is None or not weights.is_file():
        raise EngineUnavailable("fid", "it needs the Inception weights it is defined on", remedy)
    try:
        import torch
        from torchmetrics.image.fid import FrechetInceptionDistance

        metric = FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights))
    except ImportError as error:  # torchmetrics raises a child of it for torch-fidelity
        raise EngineUnavailable("fid", str(error).split(".")[0], remedy) from error
    for pictures, is_real in ((made, False), (real, True)):
        for picture in pictures:
            metric.update(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None], real=is_real)
    return float(metric.compute())


def _same_shape(made: np.ndarray, real: np.ndarray) -> None:
    if made.shape != real.shape or made.dtype != np.uint8 or real.dtype != np.uint8:
        raise InputError(f"pictures to compare must be uint8 of one shape, got {made.dtype} {made.shape} and "
                         f"{real.dtype} {real.shape}")  # fmt: skip
