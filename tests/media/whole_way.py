"""A film read and written again, and whether its sound is still with its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dubkit.media.audio import extract, read_audio
from dubkit.media.mux import AudioTrack, mux
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.media.writer import FrameWriter
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange, Media
from tests.media.recipes import beep_times, is_flash

FAST = RenderSettings(speed="ultrafast")


def write_pieces(media: Media, folder: Path, settings: RenderSettings, length: int = 23) -> list[Path]:
    pieces = []
    with FrameReader(media) as reader:
        for start in range(0, media.video.num_frames, length):
            pieces.append(folder / f"piece{start:05}.nut")
            with FrameWriter(pieces[-1], media.video, settings) as writer:
                for frame in reader.read(FrameRange(start, min(start + length, media.video.num_frames))):
                    writer.write(frame)
    return pieces


def through(media: Media, output: Path, settings: RenderSettings = FAST, sound: bool = True, **options) -> Media:
    """The film read and written again, with its own sound."""
    tracks: Sequence[AudioTrack] = ()
    if sound:
        extract(media, output.with_suffix(".flac"), sample_rate=48_000)
        tracks = [AudioTrack(output.with_suffix(".flac"), "es", "Español", default=True)]
    mux(write_pieces(media, output.parent, settings), media, tracks, output, settings, **options)
    return probe(output)


def assert_in_sync(media: Media, flashes: Sequence[int]) -> None:
    """Every flash and its beep within one frame of each other, and each flash where it was."""
    with FrameReader(media) as reader:
        shown = [frame.index for frame in reader.read() if is_flash(frame.planes[0])]
    heard = beep_times(read_audio(media.path, sample_rate=48_000))
    assert len(heard) == len(flashes)
    first_of_run = [n for n in shown if n - 1 not in shown]
    assert len(first_of_run) == len(flashes)
    for frame, beep in zip(first_of_run, heard, strict=True):
        assert abs(float(frame / media.video.rate) - beep) < float(1 / media.video.rate)
