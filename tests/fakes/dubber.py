"""A dubber that keeps the picture's numbers, sounds like the dialogue it was given, and counts how often it worked."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from dubkit.errors import DubkitError
from dubkit.nle.dubber import Dubbed, DubRequest, LineNote
from dubkit.nle.sound import read_sound, sound_frames
from dubkit.progress import Progress


class FakeDubber:
    """Implements ``dubkit.nle.dubber.Dubber``. ``fail``: raise instead of working. ``lose``: frames to drop at the end."""

    def __init__(self, notes: tuple[LineNote, ...] = (), fail: str | None = None, lose: int = 0):
        self.notes, self.fail, self.lose = notes, fail, lose
        self.flags: dict[str, object] = {}
        self.requests: list[DubRequest] = []

    def __call__(self, request: DubRequest, progress: Progress) -> Dubbed:
        self.requests.append(request)
        if self.fail:
            raise DubkitError(self.fail)
        film = request.folder / "dubbed.mov"
        _rewrite(request, film, request.frames - self.lose, progress)
        return Dubbed(film, self.notes)


def _rewrite(request: DubRequest, film: Path, frames: int, progress: Progress) -> None:
    with av.open(str(request.film)) as source, av.open(str(film), "w") as out:
        video = out.add_stream("mjpeg", rate=request.rate, options={"qmin": "2", "qmax": "3"})
        stream = source.streams.video[0]
        video.width, video.height, video.pix_fmt = stream.width, stream.height, "yuvj420p"
        audio = out.add_stream("pcm_s24le", rate=48000, layout="stereo")
        for n, frame in enumerate(source.decode(video=0)):
            if n == frames:
                break
            frame = frame.reformat(format="yuvj420p")
            frame.pts, frame.time_base = n, 1 / request.rate
            out.mux(video.encode(frame))
            progress(n + 1, request.frames)
        sound = request.dialogue or request.film
        for block in sound_frames(read_sound(sound, Fraction(0), request.frames / request.rate, 2), 0, "stereo"):
            out.mux(audio.encode(block))
        out.mux(audio.encode())
        out.mux(video.encode())
