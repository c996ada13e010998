"""Active-speaker engines: is the owner of this face speaking in this frame? The promise, the dict, the walk.

How to add one: write ``dubkit/cast/<name>.py`` with a subclass of ``SpeakingEngine`` that imports its package inside
``__init__``, and name it in ``SPEAKING`` below. An engine sees one face of one shot at a time, already cut out and set
upright, and gives a log-odds for each frame; the film never has to fit into memory. Scores must be *calibrated*:
0 means that the picture says nothing, and the sum over a turn's frames is the evidence of the whole turn. So the scores
of several engines can be summed: ``cast.speaking = "motion+sync"`` reads the film once for both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from dubkit.cast.cutting import cut
from dubkit.engines import Engine, create
from dubkit.errors import InputError, SettingsError
from dubkit.faces.align import upright
from dubkit.media.ahead import ahead
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.progress import Progress, silent
from dubkit.settings import CastSettings
from dubkit.timing import frames_covering
from dubkit.types import FaceTrack, FrameRange, SpeakingScore, Turn, VideoStream

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
    audio: Path | None,
    settings: CastSettings,
    progress: Progress = silent,
    pieces: Pieces = NOTHING_KEPT,
) -> tuple[SpeakingScore, ...]:
    """Scores by every engine of every track near whose frames somebody speaks; tracks far from any turn get none.

    ``audio`` is the film's sound at 16 kHz mono; without it, "motion" alone is asked. ``progress`` counts frames. The film
    is read once for all engines, from the first face whose scores are not among ``pieces``.
    """
    if audio is None:
        settings = settings.model_copy(update={"speaking": "motion", "speaking_weights": None})
    engines = speaking_engines(settings)
    near = near_turns(tracks, turns, reader.media.video)
    scores: dict[str, np.ndarray] = {}

    def names(track: FaceTrack, engine: SpeakingEngine) -> list[str]:
        return [f"{track.id} {engine.name} {track.frames[row]}" for row in begins(track)]

    def done(track: FaceTrack) -> int:
        """Rows at its beginning that all engines have scored."""
        kept = zip(*([name in pieces for name in names(track, engine)] for engine in engines), strict=True)
        return next((row for row, each in zip(begins(track), kept, strict=True) if not all(each)), len(track.frames))

    with soundfile.SoundFile(audio) if audio else nullcontext() as sound:
        if sound is not None and sound.samplerate != SOUND_RATE:
            raise InputError(f"{audio} has {sound.samplerate} Hz; active speakers are found at {SOUND_RATE} Hz")
        speaking, skipped = _frames_of(turns, reader.media.video), {track.id: done(track) for track in near}
        with ahead(faces_of(reader, near, skipped, speaking, sound, engines, progress), 1) as faces:
            for engine, face in faces:
                name = f"{face.track_id} {engine.name} {face.frames[0]}"
                scores[name] = pieces(name, lambda e=engine, f=face: e.score(f).astype(np.float32))
    found = []
    for track in sorted(near, key=lambda track: min(track.range.stop, track.range.start + LONGEST)):
        for engine in engines:
            each = [scores[name] if name in scores else pieces.get(name) for name in names(track, engine)]
            found.append(SpeakingScore(track.id, track.frames, np.concatenate(each), engine.name))
    return tuple(found)


def near_turns(tracks: Sequence[FaceTrack], turns: Sequence[Turn], video: VideoStream) -> list[FaceTrack]:
    """The tracks that are worth a score, in the order in which they begin."""
    near = _frames_of(turns, video, CONTEXT_SECONDS)
    return sorted((t for t in tracks if near[t.range.start : t.range.stop].any()), key=lambda t: t.range.start)


def begins(track: FaceTrack) -> range:
    """The rows at which the pieces begin that a track is scored in."""
    return range(0, len(track.frames), LONGEST)


def _frames_of(turns: Sequence[Turn], video: VideoStream, margin: float = 0.0) -> np.ndarray:
    """(frames of the film,) bool: somebody speaks, or does so within ``margin`` seconds."""
    found = np.zeros(video.num_frames, bool)
    for turn in turns:
        start, end = max(0.0, turn.segment.start - margin), turn.segment.end + margin
        found[slice(*frames_covering(start, end, video.rate))] = True
    return found


def faces_of(
    reader,
    tracks: Sequence[FaceTrack],
    skipped: Mapping[str, int],
    speaking: np.ndarray,
    sound: soundfile.SoundFile | None,
    engines: Sequence[SpeakingEngine],
    progress: Progress = silent,
) -> Iterator[tuple[SpeakingEngine, Face]]:
    """Walks once through the film and yields each face for each engine as its track ends, or every ``LONGEST`` frames.

    ``skipped``: track → rows at its beginning that nobody asks for. ``speaking``: (frames of the film,) bool. Of the sound only
    what runs beside a face is in memory.
    """
    rate = reader.media.video.rate
    asked = [(t.range.start + skipped[t.id], t) for t in tracks if skipped[t.id] < len(t.frames)]
    waiting = deque(sorted(asked, key=lambda one: one[0]))
    if not waiting:
        return
    first, total = waiting[0][0], max(track.range.stop for track in tracks)
    running: list[Running] = []
    with ahead(reader.read(FrameRange(first, total))) as frames:
        for frame in frames:
            while waiting and waiting[0][0] <= frame.index:
                track = waiting.popleft()[1]
                running.append(Running(track, engines, skipped[track.id]))
            for face in running:
                face.push(frame)
                if face.over or face.count == LONGEST:
                    yield from face.cut_off(rate, sound, speaking)
            running = [face for face in running if not face.over]
            if frame.index % 25 == 0:
                progress(frame.index - first, total - first)


class Running:
    """A track that is in the picture now: what was cut out of the last frames, for every engine."""

    def __init__(self, track: FaceTrack, engines: Sequence[SpeakingEngine], start: int):
        self.track, self.engines = track, engines
        self.start, self.count = start, 0  # row of the track that the first picture belongs to; pictures
        self.pictures = [self._room(engine) for engine in engines]

    def _room(self, engine: SpeakingEngine) -> np.ndarray:
        length = min(LONGEST, len(self.track.frames) - self.start)
        return np.empty((length, *engine.size[::-1], *((3,) if engine.colour else ())), np.uint8)

    @property
    def over(self) -> bool:
        return self.start + self.count == len(self.track.frames)

    def push(self, frame) -> None:
        """The next frame of the film, in which the track is seen."""
        row = self.start + self.count
        for engine, pictures in zip(self.engines, self.pictures, strict=True):
            pictures[self.count] = cut(frame, engine.transform(self.track, row), engine.size, engine.colour)
        self.count += 1

    def cut_off(
        self, rate: Fraction, sound: soundfile.SoundFile | None, speaking: np.ndarray
    ) -> Iterator[tuple[SpeakingEngine, Face]]:
        """The face as far as it was seen, for every engine; then it begins anew."""
        rows = slice(self.start, self.start + self.count)
        frames = self.track.frames[rows]
        start, stop = int(frames[0]), int(frames[-1]) + 1
        heard = _heard(sound, round(start / rate * SOUND_RATE), round(stop / rate * SOUND_RATE))
        heights = self.track.boxes[rows, 3] - self.track.boxes[rows, 1]
        said = speaking[start:stop]
        for engine, pictures in zip(self.engines, self.pictures, strict=True):
            seen = self.track.observed[rows]
            yield engine, Face(self.track.id, frames, pictures[: self.count], heights, seen, rate, heard, said)
        self.start, self.count = self.start + self.count, 0
        self.pictures = [self._room(engine) for engine in self.engines]


def _heard(sound: soundfile.SoundFile | None, first: int, last: int) -> np.ndarray:
    """(last - first,) float32 samples, all channels as one; silence beyond the end, and of a film without sound."""
    heard = np.zeros(last - first, np.float32)
    if sound is not None and first < sound.frames:
        sound.seek(first)
        part = sound.read(last - first, dtype="float32", always_2d=True).mean(axis=1)
        heard[: len(part)] = part
    return heard
