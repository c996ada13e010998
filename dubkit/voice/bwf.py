"""Broadcast Wave (EBU Tech 3285) beside a FLAC: 24 bits, with the start timecode as time reference, for a DAW."""

from __future__ import annotations

from pathlib import Path

from dubkit.files import replacing
from dubkit.process import run
from dubkit.timing import Timecode, sample_at
from dubkit.voice.tracks import RATE


def write_bwf(path: Path, start: Timecode | None = None) -> Path:
    """Writes ``path`` as a .wav beside it. ``start``: timecode of project zero; none: time reference 0.

    The time reference counts samples since midnight; a file over 4 GiB becomes RF64 (EBU Tech 3306).
    """
    from dubkit.media.ffmpeg import ffmpeg_binary, url

    reference = sample_at(start.frame / start.rate, RATE) if start else 0
    output = path.with_suffix(".wav")
    with replacing(output) as temporary:
        command = [ffmpeg_binary(), "-nostdin", "-v", "error", "-y", "-i", url(path), "-c:a", "pcm_s24le"]
        command += ["-write_bext", "1", "-rf64", "auto", "-bitexact", "-metadata", f"time_reference={reference}"]
        command += ["-metadata", "originator=dubkit", "-metadata", f"description={path.stem}", url(temporary)]
        run(command)
    return output
