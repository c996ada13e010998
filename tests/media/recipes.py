"""Small films whose every frame can be told apart: the frame's number is drawn as black and white squares.

Made with PyAV in a fraction of a second. ``flashes`` are frames with a white lower half; a beep sounds at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dubkit.types import Media

BITS = 12  # of the number; squares across the top
SAMPLE_RATE = 48_000


def numbered_luma(number: int, size: tuple[int, int] = (192, 108), flash: bool = False) -> np.ndarray:
    """(H, W) uint8, narrow range: squares for the bits of ``number`` in the upper third, a moving ramp below."""
    width, height = size
    columns, rows = np.arange(width), np.arange(height)
    luma = 40 + (columns[None] // 2 + rows[:, None] + number) % 120
    luma[height // 2 :] = 220 if flash else luma[height // 2 :]
    bit = columns * BITS // width
    luma[: height // 3] = np.where((number >> bit) & 1, 235, 16)[None]
    return luma.astype(np.uint8)


def number_of(luma: np.ndarray) -> int:
    """The number drawn in a picture (any depth, any codec): (H, W) luma, as displayed upright."""
    height, width = luma.shape
    row = luma[height // 8 : height // 5].astype(float).mean(0)
    middle = float(luma.max()) / 2
    return sum(int(row[int((i + 0.5) * width / BITS)] > middle) << i for i in range(BITS))


def is_flash(luma: np.ndarray) -> bool:
    height = luma.shape[0]
    top = 255 if luma.dtype == np.uint8 else 1023
    return float(luma[height * 3 // 4 :].mean()) > 0.75 * top


def make_film(
    path: Path,
    *,
    rate: Fraction | int = 25,
    frames: int = 50,
    size: tuple[int, int] = (192, 108),
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    times: Sequence[Fraction] | None = None,
    rotation: int = 0,
    sar: Fraction | None = None,
    timecode: str | None = None,
    sound: bool = True,
    sound_delay: Fraction | float = 0,
    picture_delay: Fraction | float = 0,
    flashes: Sequence[int] = (),
    color: tuple[int, int, int, int] | None = None,
    container_options: dict[str, str] | None = None,
    sound_codec: str = "aac",
) -> Path:
    """Writes a film. ``times``: seconds of each frame (a variable rate). ``color``: codes of primaries, transfer, matrix,
    range. ``rotation``: degrees clockwise for display (the squares are upright after it)."""
    rate = Fraction(rate)
    variable = times is not None
    times = list(times) if variable else [n / rate for n in range(frames)]
    with av.open(f"file:{path}", "w", options=container_options or {}) as output:
        video = output.add_stream(codec, rate=rate, options=options or _fast(codec))
        coded = size if rotation in (0, 180) else size[::-1]
        video.width, video.height, video.pix_fmt = *coded, pix_fmt
        tick = Fraction(1, 90_000) if variable else 1 / rate
        video.codec_context.time_base = tick
        if sar:
            video.codec_context.sample_aspect_ratio = sar
        if rotation:
            video.set_display_rotation(-rotation)
        if timecode:
            video.metadata["timecode"] = timecode
        if color:
            context = video.codec_context
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = color
        audio = output.add_stream(sound_codec, rate=SAMPLE_RATE, layout="mono") if sound else None
        for number, time in enumerate(times):
            luma = np.rot90(numbered_luma(number, size, number in flashes), rotation // 90)
            picture = _picture(luma, pix_fmt, color)
            picture.pts, picture.time_base = round((time + Fraction(picture_delay)) / tick), tick
            output.mux(video.encode(picture))
        output.mux(video.encode())
        if audio is not None:
            length = float(times[-1] + 1 / rate)
            _encode_sound(output, audio, beeps([float(times[n]) for n in flashes], length), sound_delay)
    return path


def _fast(codec: str) -> dict[str, str]:
    return {"preset": "veryfast", "crf": "16", "g": "12"} if codec in ("libx264", "libx265") else {}


def _picture(luma: np.ndarray, pix_fmt: str, color) -> av.VideoFrame:
    base = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")
    height, width = luma.shape
    picture = av.VideoFrame(width, height, "yuv444p")
    # Chroma with a gradient, so that a swap of planes or a shift is seen.
    u = np.broadcast_to(np.linspace(90, 160, width)[None], luma.shape).astype(np.uint8)
    v = np.broadcast_to(np.linspace(160, 100, height)[:, None], luma.shape).astype(np.uint8)
    for plane, values in zip(picture.planes, (luma, u, v), strict=True):
        rows = np.zeros((height, plane.line_size), np.uint8)
        rows[:, :width] = values
        plane.update(rows.tobytes())
    del base
    picture = picture.reformat(format=pix_fmt) if pix_fmt != "yuv444p" else picture
    if color:
        picture.color_primaries, picture.color_trc, picture.colorspace, picture.color_range = color
    return picture


def beeps(moments: Sequence[float], length: float, seconds: float = 0.05) -> np.ndarray:
    """(1, N) float32 at 48 kHz: 1 kHz tones that begin at ``moments``, on faint noise."""
    sound = np.random.default_rng(0).normal(0, 1e-4, (1, round(length * SAMPLE_RATE))).astype(np.float32)
    tone = 0.7 * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    for moment in moments:
        at = round(moment * SAMPLE_RATE)
        part = sound[:, at : at + len(tone)]
        part += tone[: part.shape[1]].astype(np.float32)
    return sound


def beep_times(sound: np.ndarray, sample_rate: int = SAMPLE_RATE) -> list[float]:
    """When the tones of a sound begin, in seconds."""
    loud = np.flatnonzero(np.abs(sound[0]) > 0.2)
    if not len(loud):
        return []
    starts = loud[np.concatenate([[True], np.diff(loud) > 0.02 * sample_rate])]
    return [float(start / sample_rate) for start in starts]


def _encode_sound(output, stream, sound: np.ndarray, delay) -> None:
    size = stream.codec_context.frame_size or 1024
    layout = "fltp"
    convert = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=SAMPLE_RATE)
    for at in range(0, sound.shape[1], size):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, at : at + size]), format=layout, layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = at + round(Fraction(delay) * SAMPLE_RATE)
        for part in convert.resample(frame):
            output.mux(stream.encode(part))
    output.mux(stream.encode())


def numbers(media: Media, frames=None) -> list[int]:
    """The numbers drawn in the frames that the reader yields."""
    from dubkit.media.reader import FrameReader

    with FrameReader(media) as reader:
        return [number_of(frame.planes[0]) for frame in reader.read(frames)]
