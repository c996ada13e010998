"""The nouns of dubkit: immutable, with unit, shape and origin under each field.

Seconds are floats from *project zero*, the presentation time of the film's first frame. Frames are 0-based ints of the
source's own frames (a VFR source counts the frames of its conformed rate). Ranges are half-open. Boxes are
``x0, y0, x1, y1`` float32 in source pixels, after rotation (the picture as a viewer sees it). Images are RGB uint8
``(H, W, 3)``. Audio is float32 ``(C, N)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

# --------------------------------------------------------------------------------------------------------- time ranges


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """Half-open stretch of time ``[start, end)`` in seconds."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.end >= self.start:
            raise ValueError(f"a segment must not end before it starts, got {self.start} to {self.end}")

    @property
    def duration(self) -> float:
        return self.end - self.start

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    def overlap(self, other: Segment) -> float:
        """Seconds that both share; 0 where they only touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def __contains__(self, seconds: float) -> bool:
        return self.start <= seconds < self.end


@dataclass(frozen=True, slots=True, order=True)
class FrameRange:
    """Half-open range of frames ``[start, stop)``."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if self.stop < self.start:
            raise ValueError(f"a frame range must not stop before it starts, got {self.start} to {self.stop}")

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __contains__(self, frame: int) -> bool:
        return self.start <= frame < self.stop

    def __and__(self, other: FrameRange) -> FrameRange:
        """The shared frames; empty (start == stop) where there are none."""
        start = max(self.start, other.start)
        return FrameRange(start, max(start, min(self.stop, other.stop)))


# -------------------------------------------------------------------------------------------------------------- media


@dataclass(frozen=True, slots=True)
class VideoStream:
    """The picture of a film as probed. ``width`` and ``height`` are as coded, before ``rotation``."""

    index: int
    codec: str
    width: int  # pixels, coded
    height: int  # pixels, coded
    rate: Fraction  # frames a second; for VFR the rate that the source is conformed to
    time_base: Fraction  # seconds a tick
    num_frames: int  # frames that the reader will yield
    start: float  # seconds, presentation time of the first frame on the container's clock (= project zero)
    is_vfr: bool = False
    rotation: int = 0  # degrees clockwise to turn the coded picture for display: 0, 90, 180, 270
    sar: Fraction = Fraction(1)  # sample (pixel) aspect ratio
    pix_fmt: str = "yuv420p"
    color_matrix: str = "unknown"  # ffmpeg's names: bt709, smpte170m, bt470bg, bt2020nc ...
    color_range: str = "unknown"  # tv | pc
    color_primaries: str = "unknown"
    color_transfer: str = "unknown"
    interlaced: bool = False
    top_field_first: bool = True  # of interlaced frames
    mastering_display: str | None = (
        None  # SMPTE ST 2086, as x265 writes it: "G(13250,34500)B(...)R(...)WP(...)L(max,min)"
    )
    content_light: str | None = None  # CTA-861.3: "MaxCLL,MaxFALL" in cd/m²
    profile: str | None = None
    bit_rate: int | None = None  # bit/s

    @property
    def display_size(self) -> tuple[int, int]:
        """``(width, height)`` after rotation, in source pixels (SAR not applied)."""
        return (self.height, self.width) if self.rotation in (90, 270) else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One sound stream of a film as probed."""

    index: int
    codec: str
    sample_rate: int  # Hz
    channels: int
    layout: str  # ffmpeg's name: mono, stereo, 5.1 ...
    start: float  # seconds from project zero; a positive value means that the sound starts later than the picture
    duration: float | None = None  # seconds
    language: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    """One subtitle stream of a film as probed."""

    index: int
    codec: str
    language: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A media file and what is in it."""

    path: Path
    digest: str  # of the content (and of media.vfr_rate where it is used), see dubkit.digest.file_digest
    format: str  # container name as ffmpeg calls it
    duration: float  # seconds
    video: VideoStream | None
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    timecode: str | None = None  # start timecode, "01:00:00:00" or with ';' for drop-frame
    warnings: tuple[str, ...] = ()  # what is odd about the file, in plain words


# ------------------------------------------------------------------------------------------------------------- speech


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of speech by one speaker (an RTTM line). Turns of different speakers may overlap."""

    id: str  # stable across re-runs, so that a person's lock still points at the right line
    segment: Segment
    speaker: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Word:
    """One word as spoken, with its time."""

    segment: Segment
    text: str
    confidence: float = 1.0
    speaker: str | None = None  # who says it; where people speak at once this may be another than the line's speaker


@dataclass(frozen=True, slots=True)
class Line:
    """What was said in a turn. ``translation`` is the text of the dub where there is one."""

    id: str
    turn_id: str
    segment: Segment
    speaker: str
    text: str
    words: tuple[Word, ...] = ()
    language: str | None = None
    translation: str | None = None


# -------------------------------------------------------------------------------------------------------------- faces


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts. ``transition`` says how the shot begins: cut, dissolve or start."""

    index: int
    frames: FrameRange
    transition: str = "cut"


@dataclass(frozen=True, slots=True, eq=False)
class FaceTrack:
    """One face followed through one shot; never crosses a shot. ``N`` consecutive frames."""

    id: str  # "s0003f01": shot and face
    shot: int
    frames: np.ndarray  # (N,) int64, consecutive
    boxes: np.ndarray  # (N, 4) float32 x0 y0 x1 y1, source pixels after rotation, smoothed
    scores: np.ndarray  # (N,) float32 detector confidence, 0 where not observed
    observed: np.ndarray  # (N,) bool; False where interpolated
    landmarks: np.ndarray | None = None  # (N, K, 2) float32 source pixels; K = 5 or 68
    embedding: np.ndarray | None = None  # (D,) float32, unit length: appearance of the whole track
    embedder: str = ""  # engine that made the embedding; only embeddings of one engine can be compared

    def __post_init__(self) -> None:
        n = len(self.frames)
        for name, array, shape in (("boxes", self.boxes, (n, 4)), ("scores", self.scores, (n,)),
                                   ("observed", self.observed, (n,))):  # fmt: skip
            if array.shape != shape:
                raise ValueError(f"track {self.id}: {name} must have shape {shape}, got {array.shape}")
        if n and not np.array_equal(self.frames, np.arange(self.frames[0], self.frames[0] + n)):
            raise ValueError(f"track {self.id}: frames must be consecutive")

    @property
    def range(self) -> FrameRange:
        return FrameRange(int(self.frames[0]), int(self.frames[-1]) + 1) if len(self.frames) else FrameRange(0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class SpeakingScore:
    """How likely each frame of a track shows its owner speaking: log-odds, 0 = undecided, so that frames can be summed."""

    track_id: str
    frames: np.ndarray  # (N,) int64
    scores: np.ndarray  # (N,) float32 log-odds
    engine: str = ""


# --------------------------------------------------------------------------------------------------------------- cast


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which face a turn belongs to, in one shot. ``track_id`` None = off screen, or undecided (see ``reason``)."""

    turn_id: str
    shot: int
    frames: FrameRange  # of the turn within the shot
    track_id: str | None
    score: float  # log-odds of the choice
    margin: float  # score minus that of the runner-up
    state: str  # "on-screen" | "off-screen" | "undecided"
    source: str = "auto"  # "auto" | "human"
    reason: str = ""  # one readable sentence


@dataclass(frozen=True, slots=True)
class Lock:
    """A person's decision; it always wins and survives every re-run. Says *which* and *what*:

    ==============================================  =========================================================
    turn_id, or segment (and speaker)               + track_id, or face: this line is spoken by that face
    turn_id, or segment (and speaker)               + character: this line is spoken by that character
    turn_id, or segment (and speaker)               + off_screen: nobody in the picture speaks this line
    speaker alone                                   + character: that diarized voice is this character
    track_id, or face, without a line               + character: that face is this character
    ==============================================  =========================================================

    ``face`` outlives changes of the face detector; ``track_id`` is shorter to write.
    """

    turn_id: str | None = None
    segment: Segment | None = None  # every turn that lies mostly inside, of ``speaker`` if one is given
    speaker: str | None = None
    track_id: str | None = None
    face: tuple[int, float, float] | None = None  # frame, x, y in source pixels: the face that covers this point
    character: str | None = None
    off_screen: bool = False

    def __post_init__(self) -> None:
        if self.turn_id is not None and self.segment is not None:
            raise ValueError(f"a lock names a turn or a time span, not both: {self}")
        if self.track_id is not None and self.face is not None:
            raise ValueError(f"a lock names a face by track or by point, not both: {self}")
        line, face = self.turn_id is not None or self.segment is not None, self.track_id or self.face
        if line and bool(face) + bool(self.character) + self.off_screen != 1:
            raise ValueError(f"a lock on a line needs exactly one of: face, character, off screen; got {self}")
        if not line and (not self.character or self.off_screen or bool(face) == bool(self.speaker)):
            raise ValueError(f"a lock without a line needs a speaker or a face, and a character; got {self}")


@dataclass(frozen=True, slots=True)
class Character:
    """A person of the film across shots: the voices and faces that are theirs."""

    name: str
    speakers: tuple[str, ...]
    track_ids: tuple[str, ...] = ()
    voice: str | None = None  # name of a TTS voice, where the dub is spoken


# -------------------------------------------------------------------------------------------------------------- voice


@dataclass(frozen=True, slots=True)
class DubLine:
    """One line of the dub in its place. The audio is clean dialogue: what the lips follow, never the mix."""

    id: str
    turn_id: str
    speaker: str
    segment: Segment  # where the line sounds in the film
    text: str = ""
    natural: float = 0.0  # seconds before stretching
    stretch: float = 1.0  # final length / natural length
    gain: float = 0.0  # dB applied
    source: str = ""  # "track", "stem", "file", "tts:<engine>/<voice>"
    notes: tuple[str, ...] = ()  # "too long by 0.4 s: cut about 6 characters" ...


# --------------------------------------------------------------------------------------------------------------- lips


@dataclass(frozen=True, slots=True)
class LipJob:
    """Frames of one track whose mouth must follow the dub. ``id`` is the digest of everything that changes its pixels."""

    id: str
    track_id: str
    shot: int
    frames: FrameRange
    speaker: str
    turn_ids: tuple[str, ...]
    fade: tuple[int, int] = (0, 0)  # frames within the range over which the new lips come in and go out


@dataclass(frozen=True, slots=True)
class SyncScore:
    """Lip-sync measures of Chung & Zisserman 2016 as scored by Prajwal et al. 2020."""

    offset_frames: int  # at 25 fps; positive = the matching sound is earlier than the picture
    distance: float  # LSE-D, lower is better
    confidence: float  # LSE-C, higher is better


# ------------------------------------------------------------------------------------------------------------ project


@dataclass(frozen=True, slots=True)
class StageRecord:
    """Why a stage's artefacts are what they are; written last, atomically."""

    stage: str
    state: str  # "done" | "failed"
    inputs: dict[str, str]  # name → digest
    settings: dict[str, object]  # those that the stage reads
    code: str  # version of the stage's code
    outputs: dict[str, str]  # file name → digest
    weights: dict[str, str] = field(default_factory=dict)  # name → digest
    seconds: float = 0.0
    error: str | None = None
