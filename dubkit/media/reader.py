"""Frames of a film by number: bounded memory, exact seeks, and always as many frames as the probe promised.

Constant rate: frame n is the one presented at n / rate after the first. A variable-rate film is conformed by an exact
index map (``packets.shown_frames``); nothing is transcoded. Where packets are damaged or absent the frame before is
repeated, and the reader says so in ``warnings``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from dubkit.errors import MediaError
from dubkit.media.frame import Frame, PixelFormat
from dubkit.media.layout import planar_layout, planes_of
from dubkit.media.packets import open_media, scan, shown_frames
from dubkit.types import FrameRange, Media

_SWSCALE_MATRIX = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 5, "smpte240m": 7, "bt2020nc": 9, "bt2020c": 9}
_FIRST_STEP_BACK = 1.0  # seconds before the wanted frame where the second attempt to seek begins; then 4, 16 ...


@dataclass(slots=True)
class _Shown:
    """A decoded picture and its rank among the source's frames."""

    rank: int
    picture: av.VideoFrame


class FrameReader:
    """Reads frames of one film. Each ``read`` has its own decoder, so several may run side by side.

    Use as a context manager: iterators that were left half-way are closed with it.
    """

    def __init__(self, media: Media):
        if media.video is None:
            raise MediaError(f"{media.path} has no picture")
        self.media, self.video = media, media.video
        self.format = PixelFormat.of(media.video)
        self.warnings: list[str] = []
        self._open: list[av.container.InputContainer] = []
        self._layout = planar_layout(media.video.pix_fmt)
        self._ranks: np.ndarray | None = None  # conformed frame → rank, variable rate only
        self._rank_of, self._seek_ticks = self._timing()

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *_) -> None:
        for container in self._open:
            container.close()
        self._open.clear()

    def read(self, frames: FrameRange | None = None) -> Iterator[Frame]:
        """The frames of ``frames`` (none: all), in order, in native planes and display orientation."""
        last, planes = None, ()
        for n, picture in self._pictures(self._checked(frames), 1):
            if picture is not last:
                quarters = self.video.rotation // 90
                coded = planes_of(self._sized(picture), self._layout)
                planes = tuple(np.rot90(plane, -quarters) for plane in coded) if quarters else coded
                last = picture
            yield Frame(n, planes, self.format)

    def proxies(
        self, frames: FrameRange | None = None, height: int = 360, step: int = 1
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Every ``step``-th frame as small RGB ``(h, w, 3)`` uint8, turned for display, never enlarged.

        The same factor shrinks width and height (to the nearest pixel); SAR is not applied, so boxes scale back by
        ``display_size / proxy size``.
        """
        wide, high = self.video.display_size
        height = min(height, high)
        width = max(1, round(wide * height / high))
        quarters = self.video.rotation // 90
        size = (height, width) if quarters % 2 else (width, height)
        scaler = av.video.reformatter.VideoReformatter()
        for n, picture in self._pictures(self._checked(frames), step):
            small = scaler.reformat(
                picture, *size, "rgb24",
                src_colorspace=_SWSCALE_MATRIX[self.format.matrix] if not self._layout.was_rgb else None,
                src_color_range=2 if self.format.range == "pc" or self._layout.was_rgb else 1,
                dst_color_range=2, interpolation="BILINEAR",
            )  # fmt: skip
            rgb = small.to_ndarray()
            yield n, np.ascontiguousarray(np.rot90(rgb, -quarters)) if quarters else rgb

    def _checked(self, frames: FrameRange | None) -> FrameRange:
        everything = FrameRange(0, self.video.num_frames)
        if frames is None:
            return everything
        if len(frames) and (frames & everything) != frames:
            raise MediaError(
                f"{self.media.path} has frames 0 to {self.video.num_frames - 1}; {frames.start} to {frames.stop - 1} were asked for"
            )
        return frames

    def _timing(self) -> tuple[Callable[[int], int], Callable[[int], int]]:
        """Two functions: presentation time → rank of the source frame, and rank → presentation time."""
        video = self.video
        if video.is_vfr:
            index = scan(self.media.path)
            self._ranks = shown_frames(index, video.rate, video.num_frames)
            return (lambda pts: int(np.searchsorted(index.pts, pts, side="right")) - 1), (
                lambda rank: int(index.pts[rank])
            )
        origin = round(Fraction(video.start) / video.time_base)
        ticks = 1 / (video.rate * video.time_base)  # a frame
        return (lambda pts: round((pts - origin) / ticks)), (lambda rank: origin + round(rank * ticks))

    def _pictures(self, frames: FrameRange, step: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Pairs (frame of the film, decoded picture); a hole shows the picture before it."""
        if not len(frames):
            return
        source = self._ranks if self._ranks is not None else range(self.video.num_frames)
        decoder = self._decode_from(int(source[frames.start]))
        current, following = next(decoder, None), next(decoder, None)
        if current is None:
            raise MediaError(f"{self.media.path}: nothing can be decoded at frame {frames.start}")
        hole: list[int] = []
        for n in range(frames.start, frames.stop, step):
            wanted = int(source[n])
            while following is not None and following.rank <= wanted:
                current, following = following, next(decoder, None)
            if current.rank != wanted:
                hole.append(n)
            elif hole:
                self._warn_hole(hole)
                hole = []
            yield n, current.picture
        if hole:
            self._warn_hole(hole)
        decoder.close()

    def _warn_hole(self, hole: list[int]) -> None:
        which = f"frame {hole[0]} is" if len(hole) == 1 else f"frames {hole[0]} to {hole[-1]} are"
        self._warn(f"{which} damaged or missing; a neighbouring picture is shown instead")

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def _decode_from(self, rank: int) -> Iterator[_Shown]:
        """Decoded pictures in order, the first one at or before ``rank`` wherever the file has such a picture."""
        back = 0.0
        ticks = self._seek_ticks(rank)
        zero = self._seek_ticks(0)
        while True:
            target = ticks - round(back / self.video.time_base)
            from_start = rank == 0 or target <= zero
            decoder = self._decode(None if from_start else target)
            first = next(decoder, None)
            if from_start or (first is not None and first.rank <= rank):
                break
            decoder.close()
            back = back * 4 or _FIRST_STEP_BACK
        if first is not None:
            yield first
        yield from decoder

    def _decode(self, seek_to: int | None) -> Iterator[_Shown]:
        container = open_media(self.media.path)
        self._open.append(container)
        try:
            stream = container.streams[self.video.index]
            stream.thread_type = "AUTO"
            if seek_to is not None:
                try:
                    container.seek(seek_to, stream=stream)
                except av.error.FFmpegError:
                    return  # the caller goes further back, in the end to the start
            count = -1
            for packet in container.demux(stream):
                try:
                    pictures = packet.decode()
                except av.error.FFmpegError as error:
                    self._warn(f"packets that cannot be decoded ({error.strerror})")
                    continue
                for picture in pictures:
                    count += 1
                    if picture.pts is None:
                        if seek_to is not None:
                            return  # without timestamps only counting from the start tells which frame this is
                        rank = count
                    else:
                        rank = self._rank_of(picture.pts)
                    if rank < 0:
                        continue
                    if picture.is_corrupt:
                        self._warn("damaged pictures, shown as far as the decoder could restore them")
                    yield _Shown(rank, picture)
        finally:
            if container in self._open:
                self._open.remove(container)
                container.close()

    def _sized(self, picture: av.VideoFrame) -> av.VideoFrame:
        video = self.video
        if (picture.width, picture.height) == (video.width, video.height) and picture.format.name == video.pix_fmt:
            return picture
        self._warn(
            f"its pictures change to {picture.width}x{picture.height} {picture.format.name}; they are fitted to "
            f"{video.width}x{video.height} {video.pix_fmt}"
        )
        return picture.reformat(video.width, video.height, video.pix_fmt)
