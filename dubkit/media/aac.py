"""Sound as AAC, encoded part by part, so that a run that is killed loses a part: AAC takes most of the time of joining a film.

An encoder of each part begins LEAD frames before it and goes on AFTER it, and what it gives there is thrown away. AAC's frames
overlap by half; both sides of a join come from encoders that have heard the same sound, so that their windows fit and their
aliasing cancels (ISO/IEC 14496-3, 4.6.11). The parts are always the same ones, and so are the bytes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dubkit.errors import MediaError
from dubkit.files import replacing
from dubkit.media.audio import blocks
from dubkit.media.packets import libav_open, open_media
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.progress import Progress, silent

RATE = 48_000  # Hz
FRAME = 1024  # samples of a frame; the first one gives what comes before the sound
PART = 3000  # frames, 64 s
LEAD, AFTER = 200, 4  # frames; the windows are the same after 16, but the rate control needs 4 s to settle
_EXACT = {"fflags": "+bitexact", "movie_timescale": str(RATE)}  # without it an end is told to a thousandth of a second
LAYOUTS = {"mono": "mono", "stereo": "stereo", "5.1": "5.1", "5.1(side)": "5.1"}  # as AAC names them


def layout_of(path: Path) -> tuple[str, int]:
    """Name and number of the channels of a file's first sound."""
    with open_media(path) as container:
        layout = container.streams.audio[0].codec_context.layout
        return layout.name, layout.nb_channels


def write_aac(
    source: Path,
    output: Path,
    samples: int,
    bit_rate: int,
    kept: Pieces = NOTHING_KEPT,
    progress: Progress = silent,
) -> Path:
    """Writes the first ``samples`` samples (48 kHz) of ``source`` as AAC in MP4, padded with silence; returns ``output``.

    ``bit_rate`` in bit/s. Its layout must be one of LAYOUTS; ffmpeg's own filters find a map for others. ``kept``: the parts
    that a killed run had encoded.
    """
    layout = LAYOUTS[layout_of(source)[0]]
    count = -(-samples // FRAME) + 1
    with replacing(output) as part, libav_open(str(part), "w", format="mp4", options=_EXACT) as file:
        stream = file.add_stream("aac", rate=RATE, layout=layout)
        stream.codec_context.bit_rate = bit_rate
        file.start_encoding()
        for first in range(0, count, PART):
            stop = min(count, first + PART)
            encoded = kept(
                f"{output.name} {first}",
                lambda first=first, stop=stop: [
                    b64encode(data).decode() for data in _part(source, first, stop, samples, bit_rate, layout)
                ],
            )
            for number, data in enumerate(encoded, first):
                packet = av.Packet(b64decode(data))
                packet.stream, packet.time_base = stream, Fraction(1, RATE)
                packet.pts = packet.dts = (number - 1) * FRAME
                packet.duration = min(FRAME, samples - packet.pts)
                packet.is_keyframe = True
                file.mux(packet)
            progress(stop, count)
    return output


def _part(source: Path, first: int, stop: int, samples: int, bit_rate: int, layout: str) -> list[bytes]:
    """Frames ``first`` to ``stop`` of the whole."""
    begin = max(0, first - LEAD)
    end = min(samples, (stop + AFTER) * FRAME)
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE, layout, "fltp", bit_rate
    encoder.time_base = Fraction(1, RATE)
    frames: list[bytes] = []
    for number, sound in enumerate(_frames(source, begin * FRAME, end)):
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * FRAME, Fraction(1, RATE)
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    frames += [bytes(packet) for packet in encoder.encode(None)]
    if len(frames) < stop - begin:
        raise MediaError(f"the AAC encoder gave {len(frames)} frames for {stop - begin} of {source.name}")
    return frames[first - begin : stop - begin]


def _frames(source: Path, start: int, stop: int) -> Iterator[np.ndarray]:
    """Sound from sample ``start`` to ``stop`` as float32 (C, FRAME); the last one may be shorter."""
    held = None
    for block in blocks(source, sample_rate=RATE, start=start / RATE, duration=(stop - start) / RATE):
        held = block if held is None else np.concatenate([held, block], axis=1)
        whole = held.shape[1] // FRAME * FRAME
        for at in range(0, whole, FRAME):
            yield np.ascontiguousarray(held[:, at : at + FRAME])
        held = held[:, whole:]
    if held is not None and held.shape[1]:
        yield np.ascontiguousarray(held)
