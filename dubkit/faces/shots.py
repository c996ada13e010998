"""Where the film is cut: hard cuts, dissolves and freeze frames. Nothing is ever smoothed or carried across a shot.

Hard cuts come from PySceneDetect's ``AdaptiveDetector`` (HSV difference of neighbouring frames against that of the
frames around, so a fast pan is no cut), fed from our own reader so that frame numbers are ours. A dissolve is a stretch in which every frame is a linear blend of its two ends; the
shot begins where the new picture outweighs the old. A freeze frame is the end of a shot in which nothing moves any
more: an edit too, even though the picture does not jump.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.faces.shot_list import load_shots
from dubkit.media.ahead import ahead
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.progress import Progress, silent
from dubkit.settings import FacesSettings
from dubkit.timing import nominal
from dubkit.types import FrameRange, Shot

PROXY_HEIGHT = 180  # pixels; enough to see a cut, and cheap
CUT_LEAST, CUT_RATIO = 15.0, 3.0  # PySceneDetect's defaults: mean HSV difference, and how far above its neighbours
DISSOLVE_LENGTHS = (6, 10, 16, 24, 36, 50)  # frames tried
DISSOLVE_RESIDUAL = 0.22  # what a linear blend of the ends may leave unexplained, share of their difference
DISSOLVE_CHANGE = 18.0  # grey levels (root mean square) between the ends, below which nothing happened
DISSOLVE_ALIKE = 0.6  # correlation of the ends above which it is one picture under changing light
STILL = 8  # grey levels: where no pixel of the proxy changes by more, only the codec has touched the picture
FREEZE_SECONDS = 1.0
KEPT = 500  # frames after which what was found so far is kept for a killed run
WARM = DISSOLVE_LENGTHS[-1] + 1  # frames before a place that decide what is found there; cuts need fewer


def find_shots(
    reader, settings: FacesSettings, progress: Progress = silent, pieces: Pieces = NOTHING_KEPT
) -> tuple[Shot, ...]:
    """The shots of a film, in order, covering every frame once.

    ``settings.shots`` may name a hand-made list instead. ``progress`` counts frames. The search goes on where ``pieces`` say
    that it was.
    """
    video = reader.media.video
    if settings.shots:
        return load_shots(settings.shots, reader.media)
    try:
        from scenedetect import AdaptiveDetector, FrameTimecode
    except ImportError as error:
        raise EngineUnavailable(
            "shots", "the package 'scenedetect' is missing", "pip install 'dubkit[faces]'"
        ) from error

    detector = AdaptiveDetector(CUT_RATIO, min_scene_len=1, min_content_val=CUT_LEAST)
    dissolves, freezes = DissolveFinder(), FreezeFinder(max(2, round(FREEZE_SECONDS * nominal(video.rate))))
    cuts: set[int] = set()
    seen = 0
    if kept := pieces.get("search"):
        seen, cuts = kept["frames"], set(kept["cuts"])
        dissolves.best, dissolves.found = kept["dissolve"] and tuple(kept["dissolve"]), [*map(tuple, kept["dissolves"])]
        freezes.still_from, freezes.stretches = kept["still from"], [*map(tuple, kept["still"])]
    first = max(0, seen - WARM)
    with ahead(reader.proxies(FrameRange(first, video.num_frames), PROXY_HEIGHT)) as pictures:
        for index, picture in pictures:
            found = detector.process_frame(FrameTimecode(index, float(video.rate)), picture[..., ::-1])
            if index < seen:
                dissolves.recall(index, _thumbnail(picture))
                freezes.recall(picture)
                continue
            cuts |= {cut.frame_num for cut in found if cut.frame_num > 0}
            dissolves.push(index, _thumbnail(picture))
            freezes.push(index, picture)
            seen = index + 1
            if index % 25 == 0:
                progress(index, video.num_frames)
            if seen % KEPT == 0:
                pieces.keep("search", {
                    "frames": seen, "cuts": sorted(cuts), "dissolve": dissolves.best, "dissolves": dissolves.found,
                    "still from": freezes.still_from, "still": freezes.stretches,
                })  # fmt: skip
    progress(seen, seen)
    kinds = {frame: "freeze" for frame in freezes.before(cuts, seen)}
    kinds |= {middle: "dissolve" for first, middle, last in dissolves.all() if not any(first < c <= last for c in cuts)}
    kinds |= {frame: "cut" for frame in cuts}
    starts = sorted({**kinds, 0: "start"}.items())
    stops = [frame for frame, _ in starts[1:]] + [seen]
    return tuple(
        Shot(i, FrameRange(start, stop), kind)
        for i, ((start, kind), stop) in enumerate(zip(starts, stops, strict=True))
    )


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """A 32×18 picture as one float vector."""
    return cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


class DissolveFinder:
    """Finds linear blends in a stream of thumbnails; keeps no more than the longest dissolve it looks for."""

    def __init__(self) -> None:
        self.recent: deque[tuple[int, np.ndarray]] = deque(maxlen=DISSOLVE_LENGTHS[-1] + 1)
        self.best: tuple[float, int, int, int] | None = None  # change, then first, middle and last frame
        self.found: list[tuple[int, int, int]] = []

    def recall(self, index: int, thumbnail: np.ndarray) -> None:
        """A frame that was pushed before."""
        self.recent.append((index, thumbnail))

    def push(self, index: int, thumbnail: np.ndarray) -> None:
        """The next frame."""
        self.recent.append((index, thumbnail))
        if self.best and index > self.best[3] + DISSOLVE_LENGTHS[0]:
            self.found.append(self.best[1:])
            self.best = None
        for length in DISSOLVE_LENGTHS:
            if len(self.recent) > length:
                blend = self._blend(length)
                if blend and (self.best is None or blend[0] > self.best[0]):
                    self.best = blend

    def all(self) -> list[tuple[int, int, int]]:
        """(first, middle, last) frame of every dissolve; the new shot begins with the middle one."""
        return self.found + ([self.best[1:]] if self.best else [])

    def _blend(self, length: int) -> tuple[float, int, int, int] | None:
        window = list(self.recent)[-length - 1 :]
        first, last = window[0][1], window[-1][1]
        difference = last - first
        size = float(np.linalg.norm(difference))
        change = size / np.sqrt(len(difference))
        if change < DISSOLVE_CHANGE:
            return None
        a, b = first - first.mean(), last - last.mean()
        if a @ b > DISSOLVE_ALIKE * np.linalg.norm(a) * np.linalg.norm(b):
            return None
        inner = np.stack([picture for _, picture in window[1:-1]]) - first
        weight = inner @ difference / size**2
        even = np.arange(1, length) / length
        if np.abs(weight - even).max() > 0.2 or np.diff(np.concatenate([[0.0], weight, [1.0]])).min() < -0.02:
            return None
        residual = np.linalg.norm(inner - weight[:, None] * difference, axis=1) / size
        if residual.max() > DISSOLVE_RESIDUAL:
            return None
        middle = window[1 + int(np.argmax(weight >= 0.5))][0] if (weight >= 0.5).any() else window[-1][0]
        return change, window[0][0], middle, window[-1][0]


class FreezeFinder:
    """Finds stretches in which nothing moves."""

    def __init__(self, shortest: int) -> None:
        self.shortest = shortest  # frames
        self.last: np.ndarray | None = None
        self.still_from = 0
        self.stretches: list[tuple[int, int]] = []  # half-open

    def recall(self, picture: np.ndarray) -> None:
        """A frame that was pushed before."""
        self.last = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)

    def push(self, index: int, picture: np.ndarray) -> None:
        """The next frame."""
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if self.last is not None and cv2.absdiff(grey, self.last).max() > STILL:
            self._close(index)
            self.still_from = index
        self.last = grey

    def _close(self, stop: int) -> None:
        if stop - self.still_from >= self.shortest:
            self.stretches.append((self.still_from, stop))

    def before(self, cuts: set[int], end: int) -> list[int]:
        """First frames of the stretches that last until a cut or the film's end, and that began after something moved."""
        self._close(end)
        return [start for start, stop in self.stretches if start not in cuts | {0} and stop in cuts | {end}]
