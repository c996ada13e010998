"""SyncNet of 2016, the network behind the published LSE-D and LSE-C.

Chung and Zisserman, "Out of time: automated lip sync in the wild", ACCV-W 2016, in the later public form that takes
whole colour face crops. Layer names follow the official ``syncnet_v2.model``, whose file is a bare state dict.

Input: 5 consecutive 25 fps crops of 224 × 224 BGR, 0 to 255 (not scaled), as (B, 3, 5, 224, 224); and 20 steps of 13
MFCC at 100 Hz as (B, 1, 13, 20). Output: 1024 numbers each. Distances are Euclidean.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor, nn

from dubkit.errors import WeightsError

FRAMES = 5
MFCC_STEPS = 20


@dataclass(frozen=True, slots=True)
class SyncNetConfig:
    """``embedding`` numbers for each side (official: 1024)."""

    embedding: int = 1024

    def to_dict(self) -> dict:
        return asdict(self)


class SyncNet(nn.Module):
    """``voice(mfcc) → (B, 1024)``, ``face(pictures) → (B, 1024)``."""

    def __init__(self, embedding: int = 1024):
        super().__init__()
        self.config = SyncNetConfig(embedding)
        # Sequential numbering counts norms and activations, as in the official names
        self.netcnnaud = nn.Sequential(
            *_block(nn.Conv2d, 1, 64, 3, 1, 1), nn.MaxPool2d(kernel_size=(1, 1), stride=(1, 1)),
            *_block(nn.Conv2d, 64, 192, 3, 1, 1), nn.MaxPool2d(kernel_size=3, stride=(1, 2)),
            *_block(nn.Conv2d, 192, 384, 3, 1, 1),
            *_block(nn.Conv2d, 384, 256, 3, 1, 1),
            *_block(nn.Conv2d, 256, 256, 3, 1, 1), nn.MaxPool2d(kernel_size=3, stride=2),
            *_block(nn.Conv2d, 256, 512, (5, 4), 1, 0),
        )  # fmt: skip
        self.netfcaud = _head(embedding)
        self.netcnnlip = nn.Sequential(
            *_block(nn.Conv3d, 3, 96, (5, 7, 7), (1, 2, 2), 0), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(nn.Conv3d, 96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_block(nn.Conv3d, 256, 256, (1, 3, 3), 1, (0, 1, 1)),
            *_block(nn.Conv3d, 256, 256, (1, 3, 3), 1, (0, 1, 1)),
            *_block(nn.Conv3d, 256, 256, (1, 3, 3), 1, (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(nn.Conv3d, 256, 512, (1, 6, 6), 1, 0),
        )  # fmt: skip
        self.netfclip = _head(embedding)

    def voice(self, mfcc: Tensor) -> Tensor:
        return self.netfcaud(self.netcnnaud(mfcc).flatten(1))

    def face(self, pictures: Tensor) -> Tensor:
        return self.netfclip(self.netcnnlip(pictures).flatten(1))

    def forward(self, mfcc: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return self.voice(mfcc), self.face(pictures)


def syncnet_from_state(state: dict[str, Tensor], name: str) -> SyncNet:
    """The network with these weights, in eval mode. Raises WeightsError naming ``name``."""
    if "netfcaud.3.weight" not in state:
        raise WeightsError(
            f"{name} is no SyncNet: it lacks 'netfcaud.3.weight'; expected the official syncnet_v2.model"
        )
    model = SyncNet(state["netfcaud.3.weight"].shape[0])
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{name} does not fit SyncNet: {str(error).splitlines()[-1].strip()}") from error
    return model.eval()


def _block(conv: type[nn.Module], cin: int, cout: int, kernel, stride, padding) -> list[nn.Module]:
    norm = nn.BatchNorm2d if conv is nn.Conv2d else nn.BatchNorm3d
    return [conv(cin, cout, kernel, stride, padding), norm(cout), nn.ReLU(inplace=True)]


def _head(embedding: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, embedding))
