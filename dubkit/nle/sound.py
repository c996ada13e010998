"""Sound of media and of timeline tracks, in the timeline's time. Arrays are float32 ``(C, N)`` at ``SAMPLE_RATE``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dubkit.errors import MediaError
from dubkit.media.packets import libav_open, sounds_of
from dubkit.nle.timeline import Timeline, TimelineError, Track
from dubkit.timing import sample_at

SAMPLE_RATE = 48000  # Hz, what editors work at
_LEAD_IN = Fraction(1, 4)  # seconds decoded before the first sample, so that codecs and resamplers have settled


def read_sound(
    path: Path, start: Fraction, seconds: Fraction, channels: int, speed: Fraction = Fraction(1)
) -> np.ndarray:
    """``seconds`` of the first sound stream from ``start`` (seconds from the first picture, or sample), at ``speed``.

    Silence stands where the media has no sound. Mono is copied to both sides of stereo. Pitch is kept when the speed is not 1. Raises MediaError.
    """
    num_samples = sample_at(seconds, SAMPLE_RATE)
    if speed != 1:
        return _stretched(read_sound(path, start, seconds * speed, channels), float(speed), num_samples)
    out = np.zeros((channels, num_samples), np.float32)
    names = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    try:
        with libav_open(str(path)) as container:
            if not (sounds := sounds_of(container)):
                return out
            stream = sounds[0]
            zero = Fraction(0)
            if container.streams.video:
                picture = container.streams.video[0]
                zero = (picture.start_time or 0) * picture.time_base
            simple = {stream.channels, channels} == {
                1,
                2,
            }  # copied or averaged below; FFmpeg would turn mono down by 3 dB
            resampler = av.AudioResampler("fltp", names[stream.channels if simple else channels], SAMPLE_RATE)
            container.seek(int(max(0, start + zero - _LEAD_IN) / stream.time_base), stream=stream, backward=True)
            position = None
            for frame in (*container.decode(stream), None):
                for block in resampler.resample(frame):
                    if position is None:
                        position = sample_at(block.pts * block.time_base - zero - start, SAMPLE_RATE)
                    data = block.to_ndarray()
                    if simple and channels == 1:
                        data = data.mean(axis=0, keepdims=True)
                    low, high = max(0, -position), min(data.shape[1], num_samples - position)
                    if high > low:
                        out[:, position + low : position + high] = data[:, low:high]
                    position += data.shape[1]
                if position is not None and position >= num_samples:
                    break
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"cannot read the sound of {path}: {error}") from error
    return out


def timeline_sound(timeline: Timeline, tracks: Sequence[Track], start: int, stop: int, channels: int) -> np.ndarray:
    """What these audio tracks play from record frame ``start`` to ``stop``, summed at unity gain.

    Raises TimelineError for a clip that cannot be read.
    """
    first = sample_at(timeline.seconds(start), SAMPLE_RATE)
    out = np.zeros((channels, sample_at(timeline.seconds(stop), SAMPLE_RATE) - first), np.float32)
    for track in tracks:
        for clip in track.clips:
            low, high = max(start, clip.record.start), min(stop, clip.record.stop)
            if low >= high or not clip.enabled:
                continue
            if clip.media is None or clip.speed is None or clip.speed <= 0:
                raise TimelineError(
                    f"the sound of '{clip.name}' on track '{track.name}' cannot be read; render it to a file"
                )
            seconds = timeline.seconds(high - low)
            data = read_sound(clip.media, timeline.source_time(clip, low), seconds, channels, clip.speed)
            begin = sample_at(timeline.seconds(low), SAMPLE_RATE) - first
            room = out[:, begin : begin + data.shape[1]]
            room += data[:, : room.shape[1]]
    return out


def write_wav(path: Path, samples: np.ndarray) -> None:
    """24-bit WAV."""
    import soundfile

    from dubkit.files import replacing

    with replacing(path) as temporary:
        soundfile.write(str(temporary), samples.T, SAMPLE_RATE, subtype="PCM_24", format="WAV")


def sound_frames(samples: np.ndarray, first: int, layout: str) -> Iterator[av.AudioFrame]:
    """The samples in blocks for an encoder, stamped from sample ``first`` on."""
    whole = np.round(np.clip(samples, -1.0, 1.0 - 2.0**-23) * 2.0**31).astype(np.int64).clip(-(2**31), 2**31 - 1)
    interleaved = np.ascontiguousarray(whole.astype(np.int32).T).reshape(1, -1)
    channels, step = samples.shape[0], SAMPLE_RATE // 4
    for i in range(0, samples.shape[1], step):
        block = av.AudioFrame.from_ndarray(interleaved[:, i * channels : (i + step) * channels], "s32", layout)
        block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, first + i, Fraction(1, SAMPLE_RATE)
        yield block


def _stretched(samples: np.ndarray, speed: float, num_samples: int) -> np.ndarray:
    """Changes the tempo and keeps the pitch (FFmpeg's atempo, WSOLA)."""
    names = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    graph, layout = av.filter.Graph(), names[samples.shape[0]]
    nodes = [
        graph.add_abuffer(format="s32", sample_rate=SAMPLE_RATE, layout=layout, time_base=Fraction(1, SAMPLE_RATE))
    ]
    while not 0.5 <= speed <= 2:  # one atempo goes from half to double
        step = 2.0 if speed > 2 else 0.5
        nodes.append(graph.add("atempo", str(step)))
        speed /= step
    nodes += [graph.add("atempo", f"{speed:.9f}"), graph.add("aformat", "sample_fmts=fltp"), graph.add("abuffersink")]
    graph.link_nodes(*nodes).configure()
    blocks = []

    def drain() -> None:
        while True:
            try:
                blocks.append(graph.pull().to_ndarray())
            except (av.BlockingIOError, av.EOFError):
                return

    for block in sound_frames(samples, 0, layout):
        graph.push(block)
        drain()
    graph.push(None)
    drain()
    out = np.zeros((samples.shape[0], num_samples), np.float32)
    data = np.concatenate(blocks, axis=1) if blocks else out
    length = min(num_samples, data.shape[1])
    out[:, :length] = data[:, :length]
    return out
