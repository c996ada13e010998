"""Puts the generated mouths into the frames of the film. A frame without a job is returned as it came."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dubkit.lips.blend import blend
from dubkit.lips.result import LipResult
from dubkit.media.frame import Frame
from dubkit.types import FrameRange


class Composer:
    """Blends lip results into frames, loading each result when its first frame comes and dropping it after its last.

    ``results`` maps a name to its frames and a function that loads it, so memory holds only what is on screen.
    """

    def __init__(self, results: Mapping[str, tuple[FrameRange, Callable[[], LipResult]]]):
        self._results = results
        self._loaded: dict[str, LipResult] = {}

    def compose(self, frame: Frame) -> Frame:
        """The frame with every mouth that has a job moved; the same object where there is none."""
        here = [name for name, (frames, _) in self._results.items() if frame.index in frames]
        if not here:
            return frame
        for name in here:
            if name not in self._loaded:
                self._loaded[name] = self._results[name][1]()
        return blend(frame, [(self._loaded[n], frame.index - self._results[n][0].start) for n in here])

    def forget_before(self, frame: int) -> None:
        """Drops results that end at or before ``frame``."""
        self._loaded = {n: r for n, r in self._loaded.items() if self._results[n][0].stop > frame}
