"""Active-speaker engines: is the owner of this face speaking in this frame? The promise, the dict, the walk.

How to add one: write ``dubkit/cast/<name>.py`` with a subclass of ``SpeakingEngine`` that imports its package inside
``__init__``, and name it in ``SPEAKING`` below. An engine sees one face of one shot at a time, already cut out and set
upright, and gives a log-odds for each frame; the film never has to fit into memory. Scores must be *calibrated*:
0 means that the picture says nothing, and the sum over a turn's frames is the evidence of the whole turn. So the scores
of several engines can be summed: ``cast.speaking = "motion+sync"`` reads the film once for both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from dubkit.cast.cutting import cut
from dubkit.engines import Engine, create
from dubkit.errors import InputError, SettingsError
from dubkit.faces.align import upright
from dubkit.progress import Progress, silent
from dubkit.settings import CastSettings
from dubkit.timing import frames_covering
from dubkit.types import FaceTrack, FrameRange, SpeakingScore, Turn

SOUND_RATE = 16_000  # Hz
LONGEST = 1500  # frames of a face that are kept before they are scored: a minute, so that memory stays flat
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


def speaking_engines(settings: CastSettings) -> list[SpeakingEngine]:
    """The engines that ``cast.speaking`` names, joined by "+"; ``speaking_weights`` goes to the one that takes a file."""
    names = [name.strip() for name in settings.speaking.split("+")]
    if len(set(names)) < len(names):
        raise SettingsError(f"cast.speaking = '{settings.speaking}' names an engine twice")
    takes = "lr-asd" if "lr-asd" in names else "sync"
    return [
        create("active-speaker engine", SPEAKING, name, weights=settings.speaking_weights if name == takes else None)
        for name in names
    ]


def score_speaking(
    reader,
    tracks: Sequence[FaceTrack],
    turns: Sequence[Turn],
    audio: Path,
    settings: CastSettings,
    progress: Progress = silent,
) -> tuple[SpeakingScore, ...]:
    """Scores by every engine of every track near whose frames somebody speaks; tracks far from any turn get none.

    ``audio`` is the film's sound at 16 kHz mono. ``progress`` counts frames. The film is read once for all engines.
    """
    engines = speaking_engines(settings)
    sound, sound_rate = soundfile.read(audio, dtype="float32", always_2d=True)
    if sound_rate != SOUND_RATE:
        raise InputError(f"{audio} has {sound_rate} Hz; active speakers are found at {SOUND_RATE} Hz")
    parts: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
    for engine, face in faces_of(reader, tracks, turns, sound.mean(axis=1), engines, progress):
        scores = engine.score(face).astype(np.float32)
        parts.setdefault((face.track_id, engine.name), []).append((face.frames, scores))
    return tuple(
        SpeakingScore(track_id, *(np.concatenate(arrays) for arrays in zip(*found, strict=True)), engine)
        for (track_id, engine), found in parts.items()
    )


def faces_of(
    reader,
    tracks: Sequence[FaceTrack],
    turns: Sequence[Turn],
    sound: np.ndarray,
    engines: Sequence[SpeakingEngine],
    progress: Progress = silent,
) -> Iterator[tuple[SpeakingEngine, Face]]:
    """Walks once through the film and yields each face for each engine as its track ends, or every ``LONGEST`` frames."""
    video = reader.media.video
    near, speaking = np.zeros(video.num_frames, bool), np.zeros(video.num_frames, bool)
    for turn in turns:
        start, stop = turn.segment.start, turn.segment.end
        near[slice(*frames_covering(max(0.0, start - CONTEXT_SECONDS), stop + CONTEXT_SECONDS, video.rate))] = True
        speaking[slice(*frames_covering(start, stop, video.rate))] = True
    waiting = deque(
        sorted((t for t in tracks if near[t.range.start : t.range.stop].any()), key=lambda t: t.range.start)
    )
    if not waiting:
        return
    first, total = waiting[0].range.start, max(t.range.stop for t in waiting)
    running: list[tuple[FaceTrack, list[list[np.ndarray]]]] = []
    for frame in reader.read(FrameRange(first, min(total, video.num_frames))):
        while waiting and waiting[0].range.start <= frame.index:
            running.append((waiting.popleft(), [[] for _ in engines]))
        for track, pictures in running:
            row = frame.index - track.range.start
            for engine, mine in zip(engines, pictures, strict=True):
                mine.append(cut(frame, engine.transform(track, row), engine.size, engine.colour))
            over = track.range.stop == frame.index + 1
            if over or len(pictures[0]) == LONGEST:
                for engine, mine in zip(engines, pictures, strict=True):
                    yield engine, _face(track, row + 1 - len(mine), np.stack(mine), video.rate, sound, speaking)
                    mine.clear()
        running = [entry for entry in running if entry[0].range.stop > frame.index + 1]
        if frame.index % 25 == 0:
            progress(frame.index - first, total - first)


def _face(track: FaceTrack, row: int, pictures: np.ndarray, rate: Fraction, sound: np.ndarray, speaking) -> Face:
    """The frames of a track from ``row`` on for which there are pictures, with their sound."""
    rows = slice(row, row + len(pictures))
    frames = track.frames[rows]
    start, stop = int(frames[0]), int(frames[-1]) + 1
    first, last = round(start / rate * SOUND_RATE), round(stop / rate * SOUND_RATE)
    heard = np.zeros(last - first, np.float32)
    part = sound[first:last]
    heard[: len(part)] = part
    heights = track.boxes[rows, 3] - track.boxes[rows, 1]
    return Face(track.id, frames, pictures, heights, track.observed[rows], rate, heard, speaking[start:stop])
