"""Faces followed through each shot: detection on a small proxy every n-th frame, optical flow in between.

A detection joins the track whose predicted place and whose appearance (colours of face, hair and clothes) it fits best,
all tracks and detections decided at once (Hungarian). A track that the detector loses, behind another head or turned
away, is kept alive for a while by flow or by its own speed. Nothing crosses a shot; memory holds one stretch between two
detections and never the shot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from dubkit.faces.base import Detections, create_detector, iou
from dubkit.faces.detect import looks
from dubkit.faces.embed import Embedder, create_embedder
from dubkit.faces.fill import Sighting, finish
from dubkit.faces.flow import Motion, motions
from dubkit.faces.landmarks import create_landmarker
from dubkit.media.ahead import ahead
from dubkit.progress import Progress, silent
from dubkit.settings import FacesSettings
from dubkit.timing import nominal
from dubkit.types import FaceTrack, FrameRange, Shot, VideoStream

WEAK = 0.55  # share of min_score that is enough to continue a track, though not to begin one
LOST_SECONDS = 1.2  # a track not seen for longer has ended
REACH = 0.8  # how far a detection may be from the predicted place, face widths
PORTRAITS, PORTRAIT_GAP = 3, 15  # pictures kept of each face, and frames between them
COVERED = 0.12  # overlap with another track from which flow may follow the wrong face


@dataclass(slots=True, eq=False)
class LiveTrack:
    """A face being followed; boxes in proxy pixels."""

    sightings: list[Sighting]
    motions: dict[int, Motion] = field(default_factory=dict)  # into this frame from the one before
    box: np.ndarray = None  # (4,) where it is now
    colours: np.ndarray = None  # histogram of what it looks like
    speeds: deque = field(default_factory=lambda: deque(maxlen=8))  # recent shifts, pixels a frame
    portraits: list[tuple[float, int, np.ndarray]] = field(default_factory=list)  # quality, frame, RGB for the embedder

    @property
    def last_seen(self) -> int:
        return self.sightings[-1].frame

    @property
    def speed(self) -> np.ndarray:
        return np.median(self.speeds, axis=0) if self.speeds else np.zeros(2)


def track_faces(
    reader,
    shots: Sequence[Shot],
    settings: FacesSettings,
    progress: Progress = silent,
    done: Callable[[Shot, list[FaceTrack]], None] = lambda shot, tracks: None,
) -> tuple[FaceTrack, ...]:
    """All faces of these shots (neighbours, in order), one track for each face and shot. ``progress`` counts frames.

    The film is read once from the first shot to the last; no seeking. ``done`` is handed the tracks of each shot as soon
    as it is over, so that a caller can keep them.
    """
    if not shots:
        return ()
    detector, landmarker, embedder = create_detector(settings), create_landmarker(settings), create_embedder(settings)
    tracks: list[FaceTrack] = []
    follower: ShotFollower | None = None

    def end(follower: ShotFollower) -> None:
        found = follower.finish()
        done(follower.shot, found)
        tracks.extend(found)

    wanted = FrameRange(shots[0].frames.start, min(shots[-1].frames.stop, reader.media.video.num_frames))
    with (
        ahead(reader.proxies(wanted, height=settings.detect_height)) as frames,
        ahead(looks(frames, shots, detector, landmarker, settings.detect_every)) as seen,
    ):
        for look in seen:
            if follower is None or follower.shot is not look.shot:
                if follower:
                    end(follower)
                follower = ShotFollower(look.shot, embedder, settings, reader.media.video)
            follower.push(look.frame, look.picture, look.found)
            if look.frame % 25 == 0:
                progress(look.frame - wanted.start, len(wanted))
    if follower:
        end(follower)
    return tuple(tracks)


class ShotFollower:
    """Follows the faces of one shot, frame by frame."""

    def __init__(self, shot: Shot, embedder: Embedder | None, settings: FacesSettings, video: VideoStream):
        self.shot, self.embedder = shot, embedder
        self.settings, self.video = settings, video
        self.patience = round(LOST_SECONDS * nominal(video.rate))  # frames
        self.live: list[LiveTrack] = []
        self.ended: list[LiveTrack] = []
        self.recent: deque = deque(
            maxlen=settings.detect_every
        )  # grey frames back to the frame after the last detection
        self.size = (1, 1)  # of the proxy

    def push(self, index: int, picture: np.ndarray, found: Detections | None) -> None:
        """The next frame of the shot, as a proxy (RGB uint8), with its faces where the detector has looked."""
        self.size = picture.shape[1], picture.shape[0]
        now = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if self.recent:
            _advance(self.live, index, self.recent[-1], now)
        self.recent.append(now)
        if found is None:
            return
        found = _wanted(found, picture.shape[0], self.settings)
        for i in _match(self.live, found, index, picture, self.patience):
            if found.scores[i] >= self.settings.min_score:
                self.live.append(_begin(found, i, index, picture, list(self.recent)))
        if self.embedder:
            for track in self.live:
                if track.last_seen == index:
                    _portray(track, picture, self.embedder)
        self.ended += [track for track in self.live if index - track.last_seen > self.patience]
        self.live = [track for track in self.live if index - track.last_seen <= self.patience]

    def finish(self) -> list[FaceTrack]:
        """The tracks of the shot, in the order of their first appearance, then from left to right."""
        every, short = self.settings.detect_every, len(self.shot.frames) <= 2 * self.settings.detect_every
        kept = [track for track in self.ended + self.live if len(track.sightings) > 1 or short]
        kept.sort(key=lambda track: (track.sightings[0].frame, track.sightings[0].box[0]))
        width, height = self.video.display_size
        scale = np.array([width / self.size[0], height / self.size[1]], np.float32)
        tracks = []
        for i, live in enumerate(kept):
            name = f"s{self.shot.index:04}f{i:02}"
            track = finish(name, self.shot, live.sightings, live.motions, scale, 2 * every - 1)
            if self.embedder and live.portraits:
                looks = self.embedder.embed_all([picture for _, _, picture in live.portraits])
                track = replace(track, embedding=looks, embedder=self.embedder.name)
            tracks.append(track)
        return tracks


def _wanted(found: Detections, height: int, settings: FacesSettings) -> Detections:
    """Detections that are large and sure enough to continue a track."""
    tall = found.boxes[:, 3] - found.boxes[:, 1] >= settings.min_face * height
    return found[tall & (found.scores >= WEAK * settings.min_score)]


def _advance(live: list[LiveTrack], index: int, before: np.ndarray, now: np.ndarray) -> None:
    """Moves every live track one frame on: by flow, or at its own speed where another face covers it."""
    boxes = np.array([track.box for track in live], np.float32).reshape(-1, 4)
    shared = iou(boxes, boxes) - np.eye(len(boxes))
    for i, (track, motion) in enumerate(zip(live, motions(before, now, boxes), strict=True)):
        covered = len(boxes) > 1 and shared[i].max() > COVERED
        if motion.seen and not covered:
            track.speeds.append(motion.shift)
        else:
            motion = Motion(track.speed.astype(np.float32), 1.0, 0.0)
        track.motions[index] = motion
        corners = track.box.reshape(2, 2)
        track.box = motion.move(corners, corners.mean(axis=0)).ravel()


def _match(live: list[LiveTrack], found: Detections, index: int, picture: np.ndarray, patience: int) -> list[int]:
    """Gives detections to live tracks; returns the detections that nobody wanted."""
    if not live or not len(found):
        return list(range(len(found)))
    boxes = np.array([track.box for track in live], np.float32)
    seen = [colours(picture, box) for box in found.boxes]
    middles, places = (boxes[:, :2] + boxes[:, 2:]) / 2, (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    apart = np.linalg.norm(middles[:, None] - places[None], axis=2)
    width = np.maximum((boxes[:, 2] - boxes[:, 0])[:, None], (found.boxes[:, 2] - found.boxes[:, 0])[None])
    grown = np.log((boxes[:, 3] - boxes[:, 1])[:, None] / (found.boxes[:, 3] - found.boxes[:, 1])[None])
    unlike = np.array([[1 - float(np.minimum(t.colours, c).sum()) for c in seen] for t in live])
    reach = REACH * (1 + np.array([(index - t.last_seen) / patience for t in live]))[:, None]
    cost = apart / width / reach + np.abs(grown) + 1.5 * unlike
    impossible = (apart / width > reach) | (np.abs(grown) > 0.7)
    rows, columns = _cheapest_pairs(np.where(impossible, 1e3, cost))
    taken = set()
    crowded = iou(found.boxes, found.boxes) - np.eye(len(found))
    for row, column in zip(rows, columns, strict=True):
        if impossible[row, column]:
            continue
        taken.add(int(column))
        track = live[row]
        track.sightings.append(_sighting(found, column, index))
        track.box = found.boxes[column].copy()
        if not crowded[column].any():  # never learn the looks of the one who stands in front
            track.colours = 0.8 * track.colours + 0.2 * seen[column]
    return [i for i in range(len(found)) if i not in taken]


def _cheapest_pairs(cost: np.ndarray) -> tuple[Sequence[int], Sequence[int]]:
    """Rows and columns of the assignment of least cost."""
    if 1 in cost.shape:
        row, column = np.unravel_index(cost.argmin(), cost.shape)
        return (int(row),), (int(column),)
    from scipy.optimize import linear_sum_assignment  # 39 MB that a film with one face does without

    return linear_sum_assignment(cost)


def _begin(found: Detections, i: int, index: int, picture: np.ndarray, recent: list) -> LiveTrack:
    """A new track, followed back by flow to the frame after the last detection, which did not see it."""
    track = LiveTrack([_sighting(found, i, index)], box=found.boxes[i].copy(), colours=colours(picture, found.boxes[i]))
    box, frame = track.box, index
    for later, earlier in zip(recent[:0:-1], recent[-2::-1], strict=True):
        (motion,) = motions(later, earlier, box[None])
        if not motion.seen:
            break
        track.motions[frame] = Motion(-motion.shift, 1 / motion.scale, motion.trust)
        corners = box.reshape(2, 2)
        box = motion.move(corners, corners.mean(axis=0)).ravel().astype(np.float32)
        frame -= 1
    return track


def _portray(track: LiveTrack, picture: np.ndarray, embedder: Embedder) -> None:
    """Keeps the best few pictures of a face, some time apart, for the embedder."""
    seen = track.sightings[-1]
    quality = seen.score + 0.002 * float(seen.box[3] - seen.box[1])
    close = [i for i, (_, frame, _) in enumerate(track.portraits) if seen.frame - frame < PORTRAIT_GAP]
    rival = (
        close[0] if close else (len(track.portraits) >= PORTRAITS and int(np.argmin([p[0] for p in track.portraits])))
    )
    if rival is not False and track.portraits and quality <= track.portraits[rival][0]:
        return
    points = None if seen.landmarks is None else seen.landmarks[None]
    only = FaceTrack("", 0, np.array([seen.frame]), seen.box[None], np.ones(1, np.float32), np.ones(1, bool), points)
    size = (embedder.size, embedder.size)
    cut = cv2.warpAffine(
        picture, embedder.transform(only, 0), size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    entry = (quality, seen.frame, cut)
    if rival is False:
        track.portraits.append(entry)
    else:
        track.portraits[rival] = entry


def _sighting(found: Detections, i: int, index: int) -> Sighting:
    points = None if found.landmarks is None else found.landmarks[i].copy()
    return Sighting(index, found.boxes[i].copy(), float(found.scores[i]), points)


def colours(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Hue-saturation and brightness histogram (sums to 1) of a face with its hair and the clothes below it."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    left, right = int(max(0, x0 - 0.2 * w)), int(min(width, x1 + 0.2 * w))
    top, bottom = int(max(0, y0 - 0.3 * h)), int(min(height, y1 + 0.8 * h))
    if right - left < 2 or bottom - top < 2:
        return np.full(12 * 6 + 8, 1 / (12 * 6 + 8), np.float32)
    hsv = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2HSV)
    tint = cv2.calcHist([hsv], [0, 1], None, [12, 6], [0, 180, 0, 256]).ravel()
    light = cv2.calcHist([hsv], [2], None, [8], [0, 256]).ravel()
    both = np.concatenate([0.7 * tint / tint.sum(), 0.3 * light / light.sum()])
    return both.astype(np.float32)
