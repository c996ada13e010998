"""Makes the demo: a film of two talking portraits, its dub in three forms, the truth about it, and a project file.

Nothing is downloaded; on one machine the same bytes come out every time.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np
import soundfile

from dubkit.demo import truth
from dubkit.demo.puppet import HEIGHT, WIDTH
from dubkit.demo.scenes import FaceSeen, Stage
from dubkit.demo.script import DUB_LANGUAGE, LANGUAGE, ROLES
from dubkit.demo.sound import FPS, RATE, Soundtrack, background, record
from dubkit.files import atomic_write, replacing
from dubkit.media.ffmpeg import pipe_graph, url
from dubkit.progress import Progress, silent

NAME = "demo"
START_TIMECODE = "01:00:00:00"
_ENCODING = {
    "c:v": "libx264", "preset": "veryfast", "crf": 19, "g": 2 * FPS, "threads:v": 2, "pix_fmt": "yuv420p",
    "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709", "color_range": "tv",
    "c:a": "aac", "b:a": "192k", "metadata:s:a:0": "language=eng", "timecode": START_TIMECODE,
    # no dates, no program versions: the same bytes every time
    "map_metadata": -1, "fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact", "movflags": "+faststart",
}  # fmt: skip
_RECORDING = 0.4  # share of the whole time that speaking the lines takes


@dataclass(frozen=True)
class DemoFiles:
    """What ``make_demo`` wrote."""

    film: Path  # 1280×720, 25 fps, H.264 and AAC, the lines in English
    dialogue: Path  # the dub as one track, 48 kHz mono FLAC, as long as the film
    stems: dict[str, Path]  # the dub by role
    subtitles: Path  # the dub as text, SRT with "NAME: text"
    background: Path  # music and effects without dialogue, stereo FLAC
    original_subtitles: Path  # what the film says, SRT
    truth: Path  # JSON, see dubkit.demo.truth
    rttm: Path  # who speaks when in the film
    project: Path


def make_demo(folder: Path, progress: Progress = silent) -> DemoFiles:
    """Writes the demo into ``folder`` (made where it is absent); files of an earlier demo are replaced.

    Raises EngineUnavailable naming what to install where a voice or a picture is missing. Progress is in per cent.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = DemoFiles(
        film=folder / f"{NAME}.mp4",
        dialogue=folder / f"{NAME}.{DUB_LANGUAGE}.flac",
        stems={role: folder / f"{NAME}.{DUB_LANGUAGE}.{role.lower()}.flac" for role in ROLES},
        subtitles=folder / f"{NAME}.{DUB_LANGUAGE}.srt",
        background=folder / f"{NAME}.me.flac",
        original_subtitles=folder / f"{NAME}.{LANGUAGE}.srt",
        truth=folder / f"{NAME}.truth.json",
        rttm=folder / f"{NAME}.rttm",
        project=folder / f"{NAME}.dub.toml",
    )
    soundtrack = record(lambda done, total: progress(100 * _RECORDING * done / total, 100))
    bed = background(soundtrack.num_samples)
    _write_sound(files.background, bed)
    _write_sound(files.dialogue, soundtrack.dialogue(dub=True))
    for role, path in files.stems.items():
        _write_sound(path, soundtrack.voice(role, dub=True))
    faces = _write_film(
        files.film,
        soundtrack,
        bed + soundtrack.dialogue(),
        lambda done, total: progress(100 * (_RECORDING + (1 - _RECORDING) * done / total), 100),
    )
    atomic_write(files.subtitles, truth.subtitles(soundtrack, dub=True).encode())
    atomic_write(files.original_subtitles, truth.subtitles(soundtrack, dub=False).encode())
    atomic_write(files.rttm, truth.rttm(soundtrack, NAME).encode())
    atomic_write(files.truth, truth.truth(soundtrack, faces).encode())
    atomic_write(files.project, _project(files).encode())
    return files


def _write_film(path: Path, soundtrack: Soundtrack, mix: np.ndarray, progress: Progress) -> list[list[FaceSeen]]:
    """Draws and encodes the film; returns the faces of each frame."""
    total, seen = soundtrack.shots[-1].stop, []
    with replacing(path) as temporary, tempfile.TemporaryDirectory(prefix="dubkit-demo-") as scratch:
        sound = Path(scratch, "mix.wav")
        soundfile.write(sound, mix.T, RATE, subtype="PCM_24")
        picture = ffmpeg.input(
            "pipe:0", f="rawvideo", pix_fmt="rgb24", video_size=(WIDTH, HEIGHT), framerate=FPS
        ).filter("scale", out_color_matrix="bt709", out_range="tv")
        graph = ffmpeg.output(picture, ffmpeg.input(url(sound)).audio, url(temporary), **_ENCODING)
        with pipe_graph(graph, write=True) as pipe:
            for n, (frame, faces) in enumerate(Stage(soundtrack).frames()):
                pipe.write(np.ascontiguousarray(frame).data)
                seen.append(faces)
                progress(n + 1, total)
    return seen


def _write_sound(path: Path, audio: np.ndarray) -> None:
    """24-bit FLAC, 48 kHz; ``audio`` float32 (N,) or (C, N)."""
    with replacing(path) as temporary:
        soundfile.write(temporary, audio.T, RATE, subtype="PCM_24", format="FLAC")


def _project(files: DemoFiles) -> str:
    stems = ", ".join(f'{role} = "{path.name}"' for role, path in files.stems.items())
    cast = "\n".join(f'[[cast]]\nname = "{role.name}"\nvoice = "{role.dub_voice}"\n' for role in ROLES.values())
    return f"""# The demo of dubkit: a short film with two speakers, dubbed from English into Spanish.
# Dub it:  dubkit dub {files.project.name}
schema = "dubkit.project/1"

[source]
film = "{files.film.name}"
language = "{LANGUAGE}"

[target.{DUB_LANGUAGE}]
dialogue = "{files.dialogue.name}"  # the whole dub as one track
# In place of the line above, the same dub as a track for each speaker ...
# stems = {{ {stems} }}
# ... or as subtitles, spoken by the voices of the cast below:
# subtitles = "{files.subtitles.name}"
background = "{files.background.name}"  # music and effects, without dialogue

{cast}"""
