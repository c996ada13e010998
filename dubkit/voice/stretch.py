"""Faster or slower at the same pitch, by Rubber Band (GPL-2, inside the ffmpeg program) or ffmpeg's own atempo.

Rubber Band gives the exact length and keeps consonants where they belong (clicks within 6 ms at 0.9 to 1.15, 8 ms at
1.3; measured with ffmpeg 5.1 and 9). Its default treatment of transients restarts all phases so often that a steady
220 Hz comes out at 216 to 221 Hz; "mixed" restarts only the high bands and keeps 220.0. atempo ends up to 20 ms short
and moves sounds by up to 8 ms, so it is a choice, not a fallback.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from dubkit.errors import EngineUnavailable, ProcessError
from dubkit.process import run
from dubkit.voice.tracks import RATE

FILTERS = {"rubberband": "rubberband=tempo={:.6f}:transients=mixed", "atempo": "atempo={:.6f}"}
TOLERANCE = 0.06  # seconds: what a stretcher may be off before its result is refused


def stretch(audio: np.ndarray, speed: float, engine: str = "rubberband") -> np.ndarray:
    """Mono 48 kHz float32 (N,) played ``speed`` times as fast: exactly round(N / speed) samples.

    Raises EngineUnavailable where no ffmpeg here has the filter.
    """
    samples = round(len(audio) / speed)
    if samples == len(audio):
        return audio
    raw = ["-f", "f32le", "-ar", str(RATE), "-ac", "1"]
    command = [ffmpeg_with(engine), "-v", "error", *raw, "-i", "pipe:0", "-af", FILTERS[engine].format(speed)]
    # A little silence at the end: what a filter holds back when the input stops is then silence, not speech.
    padded = np.pad(audio, (0, RATE // 4)).astype("<f4")
    stretched = np.frombuffer(run([*command, *raw, "pipe:1"], stdin=padded.tobytes()), "<f4")
    if len(stretched) < samples - TOLERANCE * RATE:
        raise ProcessError(engine, 0, f"gave {len(stretched)} samples where {samples} were expected")
    return np.pad(stretched, (0, max(0, samples - len(stretched))))[:samples].astype(np.float32)


@lru_cache(maxsize=4)
def ffmpeg_with(filter_name: str) -> Path:
    """An ffmpeg that has a filter: the usual one, else the one inside imageio-ffmpeg."""
    from dubkit.media.ffmpeg import ffmpeg_binary

    candidates = [ffmpeg_binary()]
    try:
        import imageio_ffmpeg

        candidates.append(Path(imageio_ffmpeg.get_ffmpeg_exe()))
    except (ImportError, RuntimeError):
        pass
    for binary in candidates:
        listed = run([binary, "-hide_banner", "-filters"]).decode("utf-8", "replace")
        if any(line.split()[1:2] == [filter_name] for line in listed.splitlines()):
            return binary
    raise EngineUnavailable(
        filter_name,
        f"{candidates[0]} was built without it",
        "pip install imageio-ffmpeg, or set voice.stretcher to atempo",
    )
