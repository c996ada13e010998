"""Where the film is cut: hard cuts, dissolves and freeze frames. Nothing is ever smoothed or carried across a shot.

Hard cuts come from PySceneDetect's ``ContentDetector`` (HSV difference of neighbouring frames), fed from our own reader
so that frame numbers are ours. A dissolve is a stretch in which every frame is a linear blend of its two ends; the
shot begins where the new picture outweighs the old. A freeze frame is the end of a shot in which nothing moves any
more: an edit too, even though the picture does not jump.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.faces.shot_list import load_shots
from dubkit.progress import Progress, silent
from dubkit.settings import FacesSettings
from dubkit.timing import nominal
from dubkit.types import FrameRange, Shot

PROXY_HEIGHT = 180  # pixels; enough to see a cut, and cheap
CUT = 27.0  # PySceneDetect's default for ContentDetector, mean HSV difference
DISSOLVE_LENGTHS = (6, 10, 16, 24, 36, 50)  # frames tried
DISSOLVE_RESIDUAL = 0.22  # what a linear blend of the ends may leave unexplained, share of their difference
DISSOLVE_CHANGE = 18.0  # grey levels (root mean square) between the ends, below which nothing happened
DISSOLVE_ALIKE = 0.6  # correlation of the ends above which it is one picture under changing light
STILL = 8  # grey levels: where no pixel of the proxy changes by more, only the codec has touched the picture
FREEZE_SECONDS = 1.0


def find_shots(reader, settings: FacesSettings, progress: Progress = silent) -> tuple[Shot, ...]:
    """The shots of a film, in order, covering every frame once.

    ``settings.shots`` may name a hand-made list instead. ``progress`` counts frames.
    """
    video = reader.media.video
    if settings.shots:
        return load_shots(settings.shots, reader.media)
    try:
        from scenedetect import ContentDetector, FrameTimecode
    except ImportError as error:
        raise EngineUnavailable(
            "shots", "the package 'scenedetect' is missing", "pip install 'dubkit[faces]'"
        ) from error

    detector = ContentDetector(threshold=CUT, min_scene_len=1)
    changes: dict[int, str] = {}
    dissolves, freezes = DissolveFinder(), FreezeFinder(max(2, round(FREEZE_SECONDS * nominal(video.rate))))
    seen = 0
    for index, picture in reader.proxies(height=PROXY_HEIGHT):
        cut = [c.frame_num for c in detector.process_frame(FrameTimecode(index, float(video.rate)), picture[..., ::-1])]
        changes |= {frame: "cut" for frame in cut if frame > 0}
        thumbnail = _thumbnail(picture)
        if cut:
            dissolves.reset()
        changes |= {frame: "dissolve" for frame in dissolves.push(index, thumbnail)}
        changes |= {frame: "freeze" for frame in freezes.push(index, picture, bool(cut))}
        seen = index + 1
        if index % 25 == 0:
            progress(index, video.num_frames)
    changes |= {frame: "freeze" for frame in freezes.end(seen)}
    changes |= {frame: "dissolve" for frame in dissolves.end()}
    progress(seen, seen)
    starts = sorted({0: "start", **changes}.items())
    stops = [frame for frame, _ in starts[1:]] + [seen]
    return tuple(
        Shot(i, FrameRange(start, stop), kind)
        for i, ((start, kind), stop) in enumerate(zip(starts, stops, strict=True))
    )


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """A 32×18 picture as one float vector."""
    import cv2

    return cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


class DissolveFinder:
    """Finds linear blends in a stream of thumbnails; keeps no more than the longest dissolve it looks for."""

    def __init__(self) -> None:
        self.recent: deque[tuple[int, np.ndarray]] = deque(maxlen=DISSOLVE_LENGTHS[-1] + 1)
        self.best: tuple[float, int, int] | None = None  # change, frame of the middle, last frame of the blend

    def reset(self) -> None:
        """A hard cut: what came before cannot be part of a blend."""
        self.recent.clear()

    def push(self, index: int, thumbnail: np.ndarray) -> list[int]:
        """The next frame; returns the first frames of new shots that have become certain."""
        self.recent.append((index, thumbnail))
        done = []
        if self.best and index > self.best[2] + DISSOLVE_LENGTHS[0]:
            done, self.best = [self.best[1]], None
        for length in DISSOLVE_LENGTHS:
            if len(self.recent) > length:
                found = self._blend(length)
                if found and (self.best is None or found[0] > self.best[0]):
                    self.best = found
        return done

    def end(self) -> list[int]:
        return [self.best[1]] if self.best else []

    def _blend(self, length: int) -> tuple[float, int, int] | None:
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
        return change, middle, window[-1][0]


class FreezeFinder:
    """Finds the frame from which a shot stands still until its end."""

    def __init__(self, shortest: int) -> None:
        self.shortest = shortest  # frames
        self.last: np.ndarray | None = None
        self.still_from: int | None = None
        self.moved = False  # anything, since the shot began

    def push(self, index: int, picture: np.ndarray, cut: bool) -> list[int]:
        """The next frame, and whether a shot begins with it; returns the freeze frame that this cut ends, if any."""
        import cv2

        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.int16)
        found: list[int] = []
        if cut:
            found = self.end(index)
            self.still_from, self.moved = None, False
        elif self.last is not None and np.abs(grey - self.last).max() > STILL:
            self.moved, self.still_from = True, index
        self.last = grey
        return found

    def end(self, stop: int) -> list[int]:
        """The shot ends before frame ``stop``."""
        long_enough = self.still_from is not None and stop - self.still_from >= self.shortest
        return [self.still_from] if self.moved and long_enough else []
