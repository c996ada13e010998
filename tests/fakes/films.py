"""Films whose every frame says its own number, and whose every sample says its own index: nothing can be misplaced unseen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dubkit.nle.sound import sound_frames

WIDTH, HEIGHT, BITS = 256, 128, 16
_PERIOD = 1 << 16  # samples after which the ramp starts again: 1.37 s


def make_film(
    path: Path,
    rate: Fraction,
    frames: int,
    *,
    sound: bool = True,
    timecode: str | None = None,
    codec="mjpeg",
    pixels: str | None = None,
) -> Path:
    """Writes a film with ``frames`` frames; frame n carries n as 16 black and white bars."""
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = (
            WIDTH,
            HEIGHT,
            pixels or ("yuvj420p" if codec == "mjpeg" else "yuv420p"),
        )
        video.codec_context.time_base = 1 / rate
        if timecode:
            video.metadata["timecode"] = timecode
        audio = out.add_stream("pcm_s24le", rate=48000, layout="stereo") if sound else None
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(barcode(n), format="gray").reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = n, 1 / rate
            out.mux(video.encode(frame))
        if audio:
            for block in sound_frames(ramp(0, int(frames / rate * 48000)), 0, "stereo"):
                out.mux(audio.encode(block))
            out.mux(audio.encode())
        out.mux(video.encode())
    return path


def barcode(number: int) -> np.ndarray:
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 200 + 28, WIDTH // BITS)
    return np.tile(row, (HEIGHT, 1))


def numbers(path: Path) -> list[int]:
    """The number that each frame of a film carries, read back from its picture."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            row = frame.to_ndarray(format="gray")[HEIGHT // 2]
            bars = row.reshape(BITS, -1).mean(axis=1) > 128
            found.append(int(sum(1 << bit for bit in range(BITS) if bars[bit])))
    return found


def ramp(first: int, count: int, channels: int = 2) -> np.ndarray:
    """Sample n has the value of n: a sawtooth from -0.5 to 0.5 with a period of 65536 samples."""
    index = np.arange(first, first + count)
    return np.tile(((index % _PERIOD) / _PERIOD - 0.5).astype(np.float32), (channels, 1))


def sample_numbers(samples: np.ndarray) -> np.ndarray:
    """The index (modulo 65536) that each sample carries."""
    return np.round((samples[0].astype(np.float64) + 0.5) * _PERIOD).astype(int)
