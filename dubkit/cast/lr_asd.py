"""LR-ASD (Liao et al., IJCV 2025, MIT): a network of 0.84 million parameters for active speakers, weights by path.

Written from the paper and the names in the published checkpoints, which load without change. It was trained on films and
YouTube (AVA): it tells a talking mouth from a still one well, and which of two talking mouths owns the voice only a
little above chance on read speech, so its scores are scaled down and the whole-film assignment decides.

Wants exactly 25 pictures a second, 112×112 grey, of the lower half of the face, and 13 MFCCs at 100 Hz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.fft import dct

from dubkit.cast.base import SOUND_RATE, Face, SpeakingEngine
from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.types import FaceTrack

RATE = 25  # pictures a second
CHUNK = 500  # pictures at once; bounds the memory
SHARE = 1 / 12  # of an independent observation that one frame is, at 25 fps
RANGE = 2.0  # nats; no single moment says more


class LrAsd(SpeakingEngine):
    name = "lr-asd"
    size = (112, 112)

    def __init__(self, weights: str | None = None):
        super().__init__(weights)
        import torch

        if not weights:
            raise EngineUnavailable(
                "lr-asd", "no weights were given",
                "set cast.speaking_weights to the path of pretrain_AVA.model or finetuning_TalkSet.model of LR-ASD",
            )  # fmt: skip
        if not Path(weights).is_file():
            raise WeightsError(f"there is no file '{weights}'; cast.speaking_weights must be an LR-ASD checkpoint")
        self.torch, self.net = torch, _network(torch)
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            state = {k.removeprefix("model."): v for k, v in state.items() if not k.startswith("lossV.")}
            self.net.load_state_dict(state)
        except Exception as error:  # whatever torch raises for a file that is something else
            raise WeightsError(f"'{weights}' is not an LR-ASD checkpoint: {str(error).splitlines()[0]}") from error
        self.net.eval()

    def transform(self, track: FaceTrack, row: int) -> np.ndarray:
        """The middle half of TalkNet's crop at scale 0.4: 1.4 half-sizes wide, its middle 0.4 below the face's."""
        x0, y0, x1, y1 = track.boxes[row].astype(np.float64)
        half = max(x1 - x0, y1 - y0) / 2
        scale = self.size[0] / (1.4 * half)
        left, top = (x0 + x1) / 2 - 0.7 * half, (y0 + y1) / 2 - 0.3 * half
        return np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])

    def score(self, face: Face) -> np.ndarray:
        torch, seconds = self.torch, len(face.frames) / float(face.rate)
        count = max(1, round(seconds * RATE))
        rows = np.clip(np.floor((np.arange(count) + 0.5) / RATE * float(face.rate)), 0, len(face.frames) - 1).astype(
            int
        )
        cepstra = mfcc(face.sound, 4 * count)
        odds = np.zeros(count, np.float32)
        for start in range(0, count, CHUNK):
            part = slice(start, min(count, start + CHUNK))
            pictures = torch.from_numpy(face.pictures[rows[part]].astype(np.float32))[None]
            sound = torch.from_numpy(cepstra[4 * part.start : 4 * part.stop])[None]
            with torch.inference_mode():
                odds[part] = self.net(sound, pictures).numpy()
        at = np.clip(((np.arange(len(face.frames)) + 0.5) / float(face.rate) * RATE).astype(int), 0, count - 1)
        per_frame = np.clip(odds[at], -RANGE, RANGE) * SHARE * RATE / float(face.rate)
        return (per_frame * face.observed).astype(np.float32)


def mfcc(sound: np.ndarray, count: int) -> np.ndarray:
    """(count, 13) float32 mel cepstra at 100 Hz, 25 ms windows, as the package python_speech_features computes them."""
    window, hop, size = SOUND_RATE // 40, SOUND_RATE // 100, 512
    needed = (count - 1) * hop + window
    signal = np.zeros(needed, np.float64)
    signal[: min(len(sound), needed)] = sound[:needed] * 32768.0
    signal = np.append(signal[0], signal[1:] - 0.97 * signal[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(signal, window)[::hop][:count]
    power = np.abs(np.fft.rfft(frames, size)) ** 2 / size
    mel = np.linspace(0, 2595 * np.log10(1 + SOUND_RATE / 2 / 700), 28)
    bins = np.floor((size + 1) * 700 * (10 ** (mel / 2595) - 1) / SOUND_RATE).astype(int)
    bank = np.zeros((26, size // 2 + 1))
    for i, (low, middle, high) in enumerate(zip(bins[:-2], bins[1:-1], bins[2:], strict=True)):
        bank[i, low:middle] = (np.arange(low, middle) - low) / (middle - low)
        bank[i, middle:high] = (high - np.arange(middle, high)) / (high - middle)
    tiny = np.finfo(float).eps
    energies = np.log(np.maximum(power @ bank.T, tiny))
    cepstra = dct(energies, type=2, axis=1, norm="ortho")[:, :13] * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    cepstra[:, 0] = np.log(np.maximum(power.sum(axis=1), tiny))
    return cepstra.astype(np.float32)


def _network(torch):
    """The architecture, with the names of the published checkpoints."""
    from torch import nn

    def block(norm, conv, ins, outs, first, second, stride):
        """Space (or mel) before time, each a 5 and a 3 convolution; ``first`` and ``second`` make kernel and padding."""
        shapes = [(ins, outs // 2, first(5), stride), (outs // 2, outs, first(3), 1),
                  (outs, outs, second(5), 1), (outs, outs, second(3), 1)]  # fmt: skip
        layers = {}
        for name, norm_name, (a, b, kernel, step) in zip(NAMES[norm], NORMS[norm], shapes, strict=True):
            padding = tuple(k // 2 for k in kernel)
            layers[name] = conv(a, b, kernel, stride=step, padding=padding, bias=False)
            layers[norm_name] = norm(b, eps=1e-3)
        return Chain(layers)

    NAMES = {nn.BatchNorm3d: ("s_1", "s_2", "t_1", "t_2"), nn.BatchNorm2d: ("m_1", "m_2", "t_1", "t_2")}
    NORMS = {
        nn.BatchNorm3d: ("s_norm_1", "s_norm_2", "t_norm_1", "t_norm_2"),
        nn.BatchNorm2d: ("m_norm_1", "m_norm_2", "t_norm_1", "t_norm_2"),
    }

    class Chain(nn.Module):
        def __init__(self, layers):
            super().__init__()
            for name, layer in layers.items():
                self.add_module(name, layer)

        def forward(self, x):
            layers = list(self.children())
            for conv, norm in zip(layers[::2], layers[1::2], strict=True):
                x = torch.relu(norm(conv(x)))
            return x

    class Visual(nn.Module):
        def __init__(self):
            super().__init__()
            space, time = (lambda k: (1, k, k)), (lambda k: (k, 1, 1))
            self.block1 = block(nn.BatchNorm3d, nn.Conv3d, 1, 32, space, time, (1, 2, 2))
            self.block2 = block(nn.BatchNorm3d, nn.Conv3d, 32, 64, space, time, 1)
            self.block3 = block(nn.BatchNorm3d, nn.Conv3d, 64, 128, space, time, 1)
            self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

        def forward(self, x):  # (B, T, H, W), 0 to 255 → (B, T, 128)
            x = ((x / 255 - 0.4161) / 0.1688)[:, None]
            x = self.block3(self.pool(self.block2(self.pool(self.block1(x)))))
            return x.amax(dim=(3, 4)).transpose(1, 2)

    class Audio(nn.Module):
        def __init__(self):
            super().__init__()
            mel, time = (lambda k: (k, 1)), (lambda k: (1, k))
            self.block1 = block(nn.BatchNorm2d, nn.Conv2d, 1, 32, mel, time, 1)
            self.block2 = block(nn.BatchNorm2d, nn.Conv2d, 32, 64, mel, time, 1)
            self.block3 = block(nn.BatchNorm2d, nn.Conv2d, 64, 128, mel, time, 1)
            self.pool = nn.MaxPool2d((1, 3), (1, 2), (0, 1))

        def forward(self, x):  # (B, 4 T, 13) → (B, T, 128)
            x = x[:, None].transpose(2, 3)
            x = self.block3(self.pool(self.block2(self.pool(self.block1(x)))))
            return x.mean(dim=2).transpose(1, 2)

    class Gate(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.attention = nn.Conv1d(channels, channels, 1, bias=False)
            self.bn = nn.BatchNorm1d(channels, eps=1e-3)

        def forward(self, a, b):
            x = torch.cat([a, b], dim=2).transpose(1, 2)
            return (x * torch.sigmoid(self.bn(self.attention(x)))).transpose(1, 2)

    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru_forward = nn.GRU(256, 64, batch_first=True)
            self.gru_backward = nn.GRU(256, 64, batch_first=True)
            self.attention = Gate(128)

        def forward(self, x):
            ahead, _ = self.gru_forward(x)
            back, _ = self.gru_backward(x.flip(1))
            return self.attention(ahead, back.flip(1))

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.FC = nn.Linear(128, 2)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.visualEncoder, self.audioEncoder = Visual(), Audio()
            self.fusion, self.detector, self.lossAV = Gate(256), Detector(), Head()

        def forward(self, sound, pictures):
            """(1, 4 T, 13) and (1, T, 112, 112) → (T,) log-odds of speaking."""
            x = self.detector(self.fusion(self.audioEncoder(sound), self.visualEncoder(pictures)))
            silent, speaking = self.lossAV.FC(x)[0].unbind(-1)
            return speaking - silent

    return Network()
