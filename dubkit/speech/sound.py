"""The analysis copy of the film's sound, read in pieces: 16 kHz, mono, FLAC or WAV (made once by the pipeline)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dubkit.errors import MediaError

RATE = 16_000  # Hz


class Sound:
    """A sound file on disk. Nothing is kept in memory; ``read`` returns the piece asked for.

    Raises MediaError where the file cannot be read, or is not 16 kHz mono.
    """

    def __init__(self, path: Path):
        import soundfile

        self.path = path
        try:
            info = soundfile.info(str(path))
        except (soundfile.LibsndfileError, OSError) as error:
            raise MediaError(f"{path} cannot be read as sound: {error}") from error
        if info.samplerate != RATE or info.channels != 1:
            raise MediaError(
                f"{path.name} is {info.samplerate} Hz with {info.channels} channel(s); speech analysis expects 16000 Hz "
                "mono. Make that copy with dubkit.media.audio.extract, or ffmpeg -i IN -ac 1 -ar 16000 OUT.flac"
            )
        self.num_samples = info.frames
        self.duration = info.frames / RATE  # seconds

    def read(self, start: float = 0.0, end: float | None = None) -> np.ndarray:
        """``(N,)`` float32 samples of ``[start, end)`` seconds, clipped to the file and to ±1.

        Raises MediaError where samples are not numbers: models answer such input with nonsense.
        """
        import soundfile

        first = min(max(0, round(start * RATE)), self.num_samples)
        stop = self.num_samples if end is None else min(max(first, round(end * RATE)), self.num_samples)
        samples, _ = soundfile.read(str(self.path), start=first, stop=stop, dtype="float32")
        bad = np.flatnonzero(~np.isfinite(samples))
        if len(bad):
            raise MediaError(
                f"{self.path.name}: {len(bad)} samples are not numbers (NaN or infinite), the first at "
                f"{(first + bad[0]) / RATE:.3f} s; export the sound again"
            )
        return np.clip(samples, -1.0, 1.0, out=samples)
