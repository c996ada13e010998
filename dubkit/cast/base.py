"""Active-speaker engines: is the owner of this face speaking in this frame? The promise, the dict, the walk.

How to add one: write ``dubkit/cast/<name>.py`` with a subclass of ``SpeakingEngine`` that imports its package inside
``__init__``, and name it in ``SPEAKING`` below. An engine sees one face of one shot at a time, already cut out and set
upright, and gives a log-odds for each frame; the film never has to fit into memory. Scores must be *calibrated*:
0 means that the picture says nothing, and the sum over a turn's frames is the evidence of the whole turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import soundfile

from dubkit.engines import Engine, create
from dubkit.errors import InputError
from dubkit.faces.align import upright
from dubkit.progress import Progress, silent
from dubkit.settings import CastSettings
from dubkit.timing import frames_covering
from dubkit.types import FaceTrack, SpeakingScore, Turn

SOUND_RATE = 16_000  # Hz
CONTEXT_SECONDS = 2.0  # before and after a turn that are looked at too: what the face does in silence


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face through one stretch of one shot, cut out, with the sound that ran meanwhile."""

    track_id: str
    frames: np.ndarray  # (N,) int64, consecutive
    pictures: np.ndarray  # (N, H, W) grey uint8, or (N, H, W, 3) RGB uint8: see SpeakingEngine.colour
    size: np.ndarray  # (N,) float32 height of the face's box in source pixels
    observed: np.ndarray  # (N,) bool
    rate: Fraction  # frames a second
    sound: np.ndarray  # (M,) float32 mono, SOUND_RATE, from the start of the first frame to the end of the last
    speech: np.ndarray  # (N,) bool: somebody speaks, as the diarizer says


class SpeakingEngine:
    """Gives each frame of a face the log-odds that its owner speaks."""

    name = ""
    size = (96, 96)  # width and height of the pictures it wants
    zoom = 1.0  # how much of the face's surroundings it wants, see faces.align.upright
    colour = False

    def __init__(self, weights: str | None = None):
        self.weights = weights

    def transform(self, track: FaceTrack, row: int) -> np.ndarray:
        """(2, 3) affine from source pixels to the engine's picture, for frame ``row`` of the track."""
        return upright(track, row, self.size, self.zoom)

    def score(self, face: Face) -> np.ndarray:
        """(N,) float32 log-odds."""
        raise NotImplementedError


SPEAKING: dict[str, Engine] = {
    "motion": Engine(
        "dubkit.cast.motion:Motion", about="lips that move of their own, in step with the loudness; embedded"
    ),
    "sync": Engine(  # lives beside its network: lips may know cast, and cast knows only this name
        "dubkit.lips.speaking:Sync", about="agreement of lips and sound by the project's own expert"
    ),
    "lr-asd": Engine(
        "dubkit.cast.lr_asd:LrAsd", "pip install 'dubkit[faces]'", "LR-ASD (MIT); cast.speaking_weights names its file"
    ),
}


def score_speaking(
    reader,
    tracks: Sequence[FaceTrack],
    turns: Sequence[Turn],
    audio: Path,
    settings: CastSettings,
    progress: Progress = silent,
) -> tuple[SpeakingScore, ...]:
    """Scores of every track near whose frames somebody speaks; tracks far from any turn get none.

    ``audio`` is the film's sound at 16 kHz mono. ``progress`` counts frames.
    """
    engine: SpeakingEngine = create(
        "active-speaker engine", SPEAKING, settings.speaking, weights=settings.speaking_weights
    )
    sound, sound_rate = soundfile.read(audio, dtype="float32", always_2d=True)
    if sound_rate != SOUND_RATE:
        raise InputError(f"{audio} has {sound_rate} Hz; active speakers are found at {SOUND_RATE} Hz")
    return tuple(
        SpeakingScore(face.track_id, face.frames, engine.score(face).astype(np.float32), engine.name)
        for face in faces_of(reader, tracks, turns, sound.mean(axis=1), engine, progress)
    )


def faces_of(reader, tracks, turns, sound: np.ndarray, engine: SpeakingEngine, progress: Progress = silent):
    """Walks once through the film and yields each ``Face`` as its track ends."""
    video = reader.media.video
    near, speaking = np.zeros(video.num_frames, bool), np.zeros(video.num_frames, bool)
    for turn in turns:
        start, stop = turn.segment.start, turn.segment.end
        near[slice(*frames_covering(max(0.0, start - CONTEXT_SECONDS), stop + CONTEXT_SECONDS, video.rate))] = True
        speaking[slice(*frames_covering(start, stop, video.rate))] = True
    waiting = sorted((t for t in tracks if near[t.range.start : t.range.stop].any()), key=lambda t: t.range.start)
    total = max((t.range.stop for t in waiting), default=0)
    open_tracks: list[tuple[FaceTrack, list[np.ndarray]]] = []
    if not waiting:
        return
    for frame in reader.read():
        while waiting and waiting[0].range.start <= frame.index:
            open_tracks.append((waiting.pop(0), []))
        for track, pictures in open_tracks:
            pictures.append(_cut(frame, engine, engine.transform(track, frame.index - track.range.start)))
        for track, pictures in [entry for entry in open_tracks if entry[0].range.stop == frame.index + 1]:
            yield _face(track, np.stack(pictures), video.rate, sound, speaking)
        open_tracks = [entry for entry in open_tracks if entry[0].range.stop > frame.index + 1]
        if frame.index % 25 == 0:
            progress(frame.index, total)
        if not waiting and not open_tracks:
            return


def _cut(frame, engine: SpeakingEngine, matrix: np.ndarray) -> np.ndarray:
    """The engine's picture of one face; grey is the frame's own luma, which costs no conversion."""
    width, height = engine.size
    if not engine.colour:
        luma = frame.planes[0]
        cut = cv2.warpAffine(luma, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        return cut if cut.dtype == np.uint8 else (cut >> (frame.format.depth - 8)).astype(np.uint8)
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    inverse = cv2.invertAffineTransform(matrix)
    source = corners @ inverse.T
    frame_width, frame_height = frame.size
    x0, y0 = np.clip(np.floor(source.min(axis=0)) - 2, 0, [frame_width - 2, frame_height - 2]).astype(int)
    x1, y1 = np.clip(np.ceil(source.max(axis=0)) + 2, [x0 + 2, y0 + 2], [frame_width, frame_height]).astype(int)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([x0, y0])
    rgb = frame.rgb((int(x0), int(y0), int(x1), int(y1)))
    return cv2.warpAffine(rgb, moved, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _face(track: FaceTrack, pictures: np.ndarray, rate: Fraction, sound: np.ndarray, speaking: np.ndarray) -> Face:
    start, stop = track.range.start, track.range.stop
    first, last = round(start / rate * SOUND_RATE), round(stop / rate * SOUND_RATE)
    heard = np.zeros(last - first, np.float32)
    part = sound[first:last]
    heard[: len(part)] = part
    heights = track.boxes[:, 3] - track.boxes[:, 1]
    return Face(track.id, track.frames, pictures, heights, track.observed, rate, heard, speaking[start:stop])
