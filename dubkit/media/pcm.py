"""Float to 24-bit integers, so that a sound that passes through comes out as the samples it was."""

from __future__ import annotations

import numpy as np


def to_int24(audio: np.ndarray) -> np.ndarray:
    """Float in -1..1 to 24 bits in the upper bits of int32; values beyond become full scale.

    libsndfile's own float conversion scales by 2^23 - 1 on the way out and by 2^23 on the way in, so that even 16-bit
    sound would not come back as it was.
    """
    steps = np.rint(audio.astype(np.float64) * (1 << 23))
    return np.clip(steps, -(1 << 23), (1 << 23) - 1).astype(np.int32) << 8
