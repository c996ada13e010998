"""Encodes one piece of a film from native planes through an ffmpeg pipe; ``mux`` joins the pieces without re-encoding.

A piece is a NUT file: its clock ticks once a frame, so times stay exact at any rate, and it takes every codec.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import ffmpeg
import numpy as np

from dubkit.errors import MediaError
from dubkit.files import replacing, storage_errors
from dubkit.media.codecs import CODECS, check_output, encoded_format
from dubkit.media.ffmpeg import pipe_graph, url
from dubkit.media.frame import Frame, PixelFormat
from dubkit.settings import RenderSettings
from dubkit.types import VideoStream

PIECE_SUFFIX, PIECE_FORMAT = ".nut", "nut"


class FrameWriter:
    """Context manager that writes frames to ``path`` (a NUT file), which appears only when all went well.

    Frames come in film order and in the format of ``PixelFormat.of(video)``. A codec that cannot hold odd sides gets one
    more row or column, a copy of the last. Raises StorageError (disk), ProcessError (encoder), MediaError (misfit).
    """

    def __init__(self, path: Path, video: VideoStream, settings: RenderSettings):
        self.path, self.video, self.settings = Path(path), video, settings
        self.format = PixelFormat.of(video)
        self.codec = CODECS[settings.codec]
        self.frames = 0
        self._pad = self._padding()
        self._stack: ExitStack | None = None
        check_output(
            Path("piece" + self.codec.containers[0]), settings.model_copy(update={"audio_codec": "aac"}), video
        )

    def _padding(self) -> tuple[int, int]:
        """Rows and columns added to the coded picture."""
        if not self.codec.even:
            return 0, 0
        layout = encoded_format(self.format, self.codec)
        return ("420" in layout) * (self.video.height % 2), ("444" not in layout) * (self.video.width % 2)

    def _graph(self, target: Path):
        video, form = self.video, self.format
        size = f"{video.width + self._pad[1]}x{video.height + self._pad[0]}"
        source = ffmpeg.input("pipe:0", f="rawvideo", pixel_format=form.name, s=size, framerate=str(video.rate))
        tagged = source.filter(
            "setparams",
            range=form.range if video.color_range != "unknown" or form.range == "pc" else "unknown",
            colorspace=_tag(video.color_matrix if video.color_matrix != "gbr" else form.matrix),
            color_primaries=_tag(video.color_primaries),
            color_trc=_tag(video.color_transfer),
        ).filter("setsar", f"{video.sar.numerator}/{video.sar.denominator}")
        if video.interlaced:
            tagged = tagged.filter("setfield", "tff" if video.top_field_first else "bff")
        layout = encoded_format(form, self.codec)
        options = self.codec.options(self.settings, video, layout.removesuffix("le"))
        interlaced = video.interlaced and self.codec.fields
        return ffmpeg.output(
            tagged, url(target), f=PIECE_FORMAT, pix_fmt=layout, fflags="+bitexact", **{
                "c:v": self.codec.encoder, "sws_flags": "lanczos+accurate_rnd+full_chroma_int+bitexact",
                "flags:v": "+bitexact+cgop" + ("+ildct+ilme" if interlaced else ""), **options,
            },
        )  # fmt: skip

    def __enter__(self) -> FrameWriter:
        with ExitStack() as stack:
            target = stack.enter_context(replacing(self.path))
            self._pipe = stack.enter_context(pipe_graph(self._graph(target), write=True))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> bool | None:
        return self._stack.__exit__(*error)

    def write(self, frame: Frame) -> None:
        """Encodes one frame."""
        if frame.format != self.format or frame.size != self.video.display_size:
            raise MediaError(
                f"frame {frame.index} is {frame.size[0]}x{frame.size[1]} {frame.format}; the film needs "
                f"{self.video.display_size[0]}x{self.video.display_size[1]} {self.format}"
            )
        with storage_errors(self.path):
            for number, plane in enumerate(frame.coded_planes()):
                self._pipe.write(memoryview(np.ascontiguousarray(self._padded(number, plane))).cast("B"))
        self.frames += 1

    def _padded(self, number: int, plane: np.ndarray) -> np.ndarray:
        if self._pad == (0, 0):
            return plane
        shifts = self.format.chroma if number else (0, 0)
        height = -(-(self.video.height + self._pad[0]) >> shifts[1])
        width = -(-(self.video.width + self._pad[1]) >> shifts[0])
        return np.pad(plane, ((0, height - plane.shape[0]), (0, width - plane.shape[1])), "edge")


def _tag(name: str) -> str:
    return "unknown" if name in ("unknown", "gbr") else name
