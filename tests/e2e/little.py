"""A film of three seconds with everything that a dub needs: a stretch without a face, a person who talks, another stretch.

The turn is given as an RTTM and a lock says whose face it is, so that nothing is left to chance and no model of speech is
loaded; all the rest is the real pipeline.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from dubkit.media.audio import write_audio
from tests.media.recipes import numbered_luma

RATE, SIZE, FRAMES = 25, (640, 360), 80
TALK = range(24, 64)  # frames with the person
SOUND_RATE = 48_000


def make_little_film(folder: Path, *, more: str = "", codec: str = "libx264") -> Path:
    """Writes film, dub, turns and project file; returns the project file. ``more``: further lines of it."""
    folder.mkdir(parents=True, exist_ok=True)
    length = FRAMES / RATE
    voice = _voice(length, 140.0)
    _write_film(folder / "film.mp4", voice, codec)
    write_audio(folder / "es.flac", _voice(length, 175.0), SOUND_RATE)
    start, duration = TALK.start / RATE, len(TALK) / RATE
    (folder / "turns.rttm").write_text(f"SPEAKER film 1 {start:.3f} {duration:.3f} <NA> <NA> ANA <NA> <NA>\n")
    middle = (TALK.start + TALK.stop) // 2
    (folder / "film.dub.toml").write_text(
        f'schema = "dubkit.project/1"\n[source]\nfilm = "film.mp4"\n[target.es]\ndialogue = "es.flac"\n'
        f"[[lock]]\nstart = {start}\nend = {start + duration}\nface = [{middle}, {SIZE[0] * 0.48}, {SIZE[1] * 0.45}]\n"
        '[settings.speech]\ndiarization = "turns.rttm"\ntranscriber = "none"\n'
        f'[settings.render]\nspeed = "ultrafast"\n{more}'
    )
    return folder / "film.dub.toml"


def _voice(length: float, pitch: float) -> np.ndarray:
    """(1, N) float32: syllables, four a second, while the person is seen; faint noise elsewhere."""
    t = np.arange(round(length * SOUND_RATE)) / SOUND_RATE
    tone = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 20))
    syllables = np.sin(2 * np.pi * 2 * t) ** 2
    talking = (t >= TALK.start / RATE + 0.05) & (t < TALK.stop / RATE - 0.05)
    noise = np.random.default_rng(0).normal(0, 2e-4, len(t))
    return (0.15 * tone * syllables * talking + noise)[None].astype(np.float32)


def pictures():
    """Every frame of the film, RGB (360, 640, 3) uint8."""
    from dubkit.demo.face import Pose
    from dubkit.demo.portraits import ASTRONAUT
    from dubkit.demo.puppet import HEIGHT, WIDTH, Camera, Head, Puppet

    puppet, back = Puppet(ASTRONAUT), np.full((HEIGHT, WIDTH, 3), (70, 90, 110), np.uint8)
    for n in range(FRAMES):
        if n in TALK:
            pose = Pose(open=float(np.sin(2 * np.pi * 2 * n / RATE) ** 2))
            large = puppet.draw(back, pose, Head(x=np.sin(n / 9)), Camera(2.3, 70, 0))
            yield cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA)
        else:
            yield np.repeat(numbered_luma(n, SIZE)[..., None], 3, axis=2)


def _write_film(path: Path, voice: np.ndarray, codec: str) -> None:
    with av.open(str(path), "w") as output:
        options = {"preset": "veryfast", "crf": "14", "g": "12", "bf": "2", "x264-params": "open-gop=0"}
        video = output.add_stream(codec, rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = output.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for n, rgb in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode())
        for at in range(0, voice.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(voice[:, at : at + 1024]), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = SOUND_RATE, at, Fraction(1, SOUND_RATE)
            output.mux(audio.encode(block))
        output.mux(audio.encode())
