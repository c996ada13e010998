"""The last look at a film before it gets its name: as many frames as the source, each at its exact time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dubkit.errors import MediaError
from dubkit.media.packets import open_media, scan
from dubkit.types import Media

_CODEC_FRAME = 0.05  # seconds; a lossy codec's last block may reach this far beyond the picture


def check_film(path: Path, media: Media, audio_tracks: int) -> None:
    """Raises MediaError where count, times, rotation or SAR of the picture, or the extent of a sound track, are wrong."""
    video = media.video
    index = scan(path)
    if len(index.pts) != video.num_frames:
        raise MediaError(f"the film that was written has {len(index.pts)} frames instead of {video.num_frames}")
    exact = np.array([float(n / (video.rate * index.time_base)) for n in range(video.num_frames)])
    wrong = np.abs(index.pts - exact)
    # A container whose clock does not divide the frame (Matroska: 1 ms) may round by half a tick.
    if wrong.max() > 0.501:
        n = int(wrong.argmax())
        raise MediaError(
            f"frame {n} was written at {float(index.pts[n] * index.time_base):.4f} s instead of {float(n / video.rate):.4f} s"
        )
    with open_media(path) as container:
        if len(container.streams.audio) != audio_tracks:
            raise MediaError(f"{len(container.streams.audio)} sound tracks were written instead of {audio_tracks}")
        frame = next(container.decode(container.streams.video[0]))
        if -frame.rotation % 360 != video.rotation:
            raise MediaError(
                f"this ffmpeg did not write the picture's rotation of {video.rotation} degrees into {path.suffix}; "
                "use .mp4 or .mov, or ffmpeg 6 or later"
            )
        sar = container.streams.video[0].sample_aspect_ratio or 1
        if sar != video.sar:
            raise MediaError(f"the pixel aspect ratio was written as {sar} instead of {video.sar}")
        ends: dict[int, float] = {}
        starts: dict[int, float] = {}
        for packet in container.demux(container.streams.audio) if audio_tracks else ():
            if packet.size and packet.pts is not None:
                starts.setdefault(packet.stream_index, float(packet.pts * packet.time_base))
                ends[packet.stream_index] = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        slack, length = float(1 / video.rate), float(video.num_frames / video.rate)
        for number, end in ends.items():
            if abs(end - length) > slack + _CODEC_FRAME or starts[number] > slack:
                raise MediaError(
                    f"sound track {number} spans {starts[number]:.3f} to {end:.3f} s beside a picture of {length:.3f} s"
                )
