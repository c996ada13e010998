"""A timeline, neutral between formats, in OpenTimelineIO's words and exact arithmetic.

Positions on the timeline are whole frames at the timeline's rate, counted from its first frame (``record`` 0), half-open.
Times in media are ``Fraction`` seconds counted from the media's first frame, so clips whose rate differs from the
timeline's stay exact. Timecode is only a name: ``Timeline.start`` says what the first frame is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from dubkit.errors import InputError
from dubkit.timing import Timecode
from dubkit.types import FrameRange

OURS = "Dubkit"  # tracks, bins and markers whose name begins so were placed by dubkit

PLAIN = Fraction(1)


class TimelineError(InputError):
    """A timeline that cannot be read, written or dubbed as asked."""


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a writer must know about a media file to refer to it."""

    rate: Fraction  # frames a second
    frames: int  # length, in its own frames
    width: int = 0  # pixels
    height: int = 0  # pixels
    channels: int = 0  # of its sound; 0 = none
    sample_rate: int = 48000  # Hz


@dataclass(frozen=True, slots=True)
class Marker:
    """A note on the timeline, over ``record`` (one frame for a point)."""

    record: FrameRange
    name: str
    note: str = ""
    color: str = (
        "RED"  # OpenTimelineIO's names: RED, ORANGE, YELLOW, GREEN, CYAN, BLUE, PURPLE, MAGENTA, PINK, BLACK, WHITE
    )
    added: bool = False  # by dubkit


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of one media file on a track.

    Record frame ``f`` shows the media at ``source_start + (f - record.start) / timeline rate * speed`` seconds.
    """

    name: str
    record: FrameRange
    media: Path | None  # None where there is no file to read; ``without_media`` says why
    source_start: Fraction = Fraction(0)  # seconds from the media's first frame
    speed: Fraction | None = PLAIN  # media seconds a second; negative: reversed; None: not constant
    enabled: bool = True
    without_media: str = ""  # "generator", "nested timeline", "missing media" ...
    effects: tuple[str, ...] = ()  # names, retimes left out
    markers: tuple[Marker, ...] = ()  # record frames of the timeline, not of the clip
    media_start: Fraction = Fraction(0)  # seconds; what the media's own timecode calls its first frame
    facts: MediaFacts | None = None  # known for what dubkit adds, else None


@dataclass(frozen=True, slots=True)
class Track:
    """Clips in order of time, not overlapping. What lies between them is a gap."""

    kind: str  # "video" | "audio"
    name: str = ""
    clips: tuple[Clip, ...] = ()
    enabled: bool = True
    added: bool = False  # by dubkit

    def __post_init__(self) -> None:
        if self.kind not in ("video", "audio"):
            raise ValueError(f"a track is 'video' or 'audio', got {self.kind!r}")
        for before, after in zip(self.clips, self.clips[1:], strict=False):
            if after.record.start < before.record.stop:
                raise TimelineError(
                    f"track '{self.name}': '{after.name}' begins at frame {after.record.start}, before '{before.name}' "
                    f"ends at {before.record.stop}; clips on one track must not overlap"
                )

    @property
    def ours(self) -> bool:
        """Placed by dubkit, now or in an earlier run."""
        return self.added or self.name == OURS or self.name.startswith(OURS + " ")


@dataclass(frozen=True, slots=True)
class Timeline:
    """A sequence: video tracks bottom to top, then audio tracks, with exact rate and start."""

    name: str
    rate: Fraction
    tracks: tuple[Track, ...]
    start: int = 0  # frames since midnight of the first frame (absolute = start + record)
    drop: bool = False  # drop-frame counting
    markers: tuple[Marker, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)  # what dubkit stored: key, language

    def __post_init__(self) -> None:
        self.timecode(0)  # a drop-frame flag at a rate that has none raises here

    def timecode(self, record: int) -> str:
        """What the frame ``record`` is called."""
        return str(Timecode(self.start + record, self.rate, self.drop))

    def seconds(self, record: int) -> Fraction:
        """Exact seconds from the first frame of the timeline."""
        return record / self.rate

    def source_time(self, clip: Clip, record: int) -> Fraction:
        """Seconds in the clip's media that ``record`` shows. The clip's speed must be constant."""
        if clip.speed is None:
            raise TimelineError(f"'{clip.name}' has no constant speed")
        return clip.source_start + (record - clip.record.start) / self.rate * clip.speed

    def source_end(self, clip: Clip) -> Fraction:
        """Half-open end in the clip's media, seconds."""
        return self.source_time(clip, clip.record.stop)

    @property
    def duration(self) -> int:
        """Frames up to the end of the last clip."""
        return max((clip.record.stop for track in self.tracks for clip in track.clips), default=0)

    def of_kind(self, kind: str) -> tuple[Track, ...]:
        return tuple(track for track in self.tracks if track.kind == kind)

    def clips(self) -> Iterator[tuple[Track, Clip]]:
        for track in self.tracks:
            for clip in track.clips:
                yield track, clip

    def without_ours(self) -> Timeline:
        """The timeline as it was before dubkit added anything."""
        return replace(
            self,
            tracks=tuple(track for track in self.tracks if not track.ours),
            markers=tuple(marker for marker in self.markers if not marker.added),
        )
