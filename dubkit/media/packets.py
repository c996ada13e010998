"""A film's timestamps: one pass over the packets without decoding, and what they say about rate and frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from dubkit.errors import MediaError
from dubkit.media.ffmpeg import url
from dubkit.timing import NTSC_RATES, exact_rate

_JITTER = 0.35  # frames; a timestamp this near to its place on the grid of a constant rate belongs there
_FEW_HOLES = 8  # or one in fifty steps; with more, the rate is variable
_MAX_CONFORMED = Fraction(60)
_STANDARD_RATES = sorted([*(Fraction(rate) for rate in (12, 15, 24, 25, 30, 48, 50, 60)), *NTSC_RATES.values()])


@dataclass(frozen=True, slots=True, eq=False)
class PacketIndex:
    """Presentation times of the frames that a decoder will show, from the first key frame on."""

    pts: np.ndarray  # (N,) int64, ascending and unique, in ticks of time_base
    time_base: Fraction  # seconds a tick
    last_duration: int  # ticks, of the frame shown last
    timed: bool  # False: the file has no timestamps (an elementary stream); pts are counted
    corrupt: int  # packets that the container marks as damaged
    skipped: int  # packets before the first key frame, which nothing can decode
    end: float  # seconds on the container's clock, end of the last packet of any stream
    counted: int  # video packets in the file, shown or not

    @property
    def start(self) -> float:
        """Seconds on the container's clock: project zero."""
        return float(self.pts[0] * self.time_base)

    @property
    def seconds(self) -> Fraction:
        """From the first frame's appearance to the last one's end."""
        return (int(self.pts[-1]) - int(self.pts[0]) + self.last_duration) * self.time_base


@dataclass(frozen=True, slots=True)
class Cadence:
    """Constant rate, or the rate that a variable one is conformed to."""

    rate: Fraction
    is_vfr: bool
    num_frames: int
    missing: int = 0  # frames of a constant rate for which there is no packet


def libav_open(*arguments, **options):
    """``av.open`` with libav's messages switched off.

    A decoder thread that writes a message through PyAV waits for Python's lock, and a container that is closed meanwhile
    waits for that thread while it holds the lock: both wait for ever. PyAV's default is silence, but other packages
    (torchvision) change it when they are imported.
    """
    av.logging.set_level(None)
    return av.open(*arguments, **options)


def open_media(path: Path) -> av.container.InputContainer:
    """Opens a file with PyAV. Raises MediaError that says what is wrong with it and what to do."""
    path = Path(path)
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a media file")
    if not path.exists():
        raise MediaError(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
    if not head:
        raise MediaError(f"{path} is empty (0 bytes); copy it again")
    try:
        return libav_open(url(path), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
            raise MediaError(
                f"{path} is truncated or damaged: it is an MP4 or MOV whose index is missing or broken, as after an "
                "interrupted copy or recording. Copy it again from where it came"
            ) from error
        raise MediaError(f"{path} is not a film or sound file that ffmpeg can read ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def video_of(container: av.container.InputContainer):
    """The first stream of moving pictures (cover art is none), or None."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def sounds_of(container: av.container.InputContainer) -> list:
    """The streams of sound that can be decoded (telephones add one of APAC, which ffmpeg does not know)."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def scan(path: Path) -> PacketIndex:
    """Reads all packets of ``path`` once; the answer is remembered while the file stays the same."""
    status = Path(path).stat()
    return _scan(Path(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _scan(path: Path, size: int, modified: int) -> PacketIndex:
    with open_media(path) as container:
        video = video_of(container)
        if video is None:
            raise MediaError(f"{path} has no picture")
        stamps: list[tuple[int, int, bool, bool]] = []  # pts, duration, key, hidden
        corrupt, end, timed = 0, 0.0, False
        try:
            for packet in container.demux():
                if not packet.size:
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    end = max(end, float((stamp + (packet.duration or 0)) * packet.time_base))
                if packet.stream_index != video.index:
                    continue
                corrupt += packet.is_corrupt
                timed = timed or stamp is not None
                stamps.append((stamp, packet.duration or 0, packet.is_keyframe, packet.is_discard))
        except av.error.FFmpegError as error:
            if not stamps:
                raise MediaError(f"{path} cannot be read: {_reason(error)}") from error
        tick = video.time_base
        if not stamps:
            raise MediaError(f"{path} has a picture stream without a single picture (zero length)")
        if not timed:
            step = int(1 / ((video.guessed_rate or Fraction(25)) * tick)) or 1
            stamps = [(i * step, step, key, hidden) for i, (_, _, key, hidden) in enumerate(stamps)]
    counted = len(stamps)
    stamps = [stamp for stamp in stamps if stamp[0] is not None]
    first_key = next((i for i, stamp in enumerate(stamps) if stamp[2]), 0)
    origin = stamps[first_key][0]
    shown = [s for s in stamps[first_key:] if not s[3] and (s[0] >= origin or stamps[first_key][3])]
    if not shown:
        raise MediaError(f"{path} has no picture that can be shown")
    pts = np.unique(np.array([stamp[0] for stamp in shown], np.int64))
    last = max(shown)
    typical = int(np.median(np.diff(pts))) if len(pts) > 1 else 0
    return PacketIndex(
        pts,
        tick,
        last[1] or typical or 1,
        timed,
        corrupt,
        counted - len(shown) - sum(s[3] for s in stamps),
        end,
        counted,
    )


def cadence(index: PacketIndex, declared: list[Fraction | None], vfr_rate: Fraction | None = None) -> Cadence:
    """The rate of a film from its timestamps; ``declared`` are the container's own claims, most trusted first.

    Constant: a rate exists at which every timestamp lies on the grid and no two share a place. Rare long holes are
    damage, not a variable rate. A variable-rate film is conformed to ``vfr_rate``, or to the standard rate of its shorter
    steps, at most 60, so that (nearly) every source frame is shown.
    """
    times = (index.pts - index.pts[0]).astype(np.float64) * float(index.time_base)
    steps = np.diff(times)
    if len(steps):
        declared = [*declared, 1 / Fraction(float(np.median(steps)))]
    for claim in declared:
        if not claim or claim > 1000:
            continue
        rate = exact_rate(claim.limit_denominator(100_000))
        places = times * float(rate)
        grid = np.rint(places)
        gaps = np.diff(grid)
        if np.abs(places - grid).max(initial=0) > _JITTER or np.count_nonzero(gaps < 1):
            continue
        if np.count_nonzero(gaps > 1) <= max(_FEW_HOLES, len(gaps) // 50):
            count = int(grid[-1]) + 1
            return Cadence(rate, False, count, count - len(times))
    rate = vfr_rate or _conformed(steps, declared)
    return Cadence(rate, True, max(1, math.floor(index.seconds * rate + Fraction(1, 2))))


def _conformed(steps: np.ndarray, declared: list[Fraction | None]) -> Fraction:
    """The standard rate nearest to that of the short steps; the container's claim decides between 30 and 29.97."""
    short = steps[steps <= 1.5 * np.percentile(steps, 10)]
    wanted = 1 / float(np.median(short))
    claims = [exact_rate(claim) for claim in declared if claim and claim <= _MAX_CONFORMED]
    near = [rate for rate in claims if rate in _STANDARD_RATES and abs(float(rate) / wanted - 1) < 0.03]
    # Whole rates first: of two equally near, the jitter of the timestamps must not choose the odd one.
    standard = sorted(_STANDARD_RATES, key=lambda rate: (rate.denominator, rate))
    nearest = min(standard, key=lambda rate: round(abs(math.log(float(rate) / wanted)), 2))
    return near[0] if near else min(nearest, _MAX_CONFORMED)


def shown_frames(index: PacketIndex, rate: Fraction, num_frames: int) -> np.ndarray:
    """(num_frames,) ranks into ``index.pts``: for conformed frame n, the source frame that is on screen.

    Each source frame begins at the conformed frame nearest to its own time and stays until the next one begins (ffmpeg's
    ``fps`` filter, round=near): no picture is ever more than half a frame early or late. Of several that fall on one
    conformed frame, the last is shown.
    """
    step = rate * index.time_base  # conformed frames a tick
    ticks = (index.pts - index.pts[0]).astype(object)  # Python ints: exact at any clock
    begins = np.array([(2 * t * step.numerator + step.denominator) // (2 * step.denominator) for t in ticks], np.int64)
    return np.searchsorted(begins, np.arange(num_frames), side="right") - 1
