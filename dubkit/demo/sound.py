"""What is heard in the demo: lines spoken and placed, a quiet bed of wind, and the mixes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import soxr

from dubkit.demo.script import DUB_LANGUAGE, LANGUAGE, ROLES, SCENES, Cue
from dubkit.progress import Progress, silent
from dubkit.timing import sample_at
from dubkit.types import FrameRange, Segment
from dubkit.voice.base import open_voice

RATE = 48_000
FPS = 25
_LEVEL = 10 ** (-21 / 20)  # RMS of speech where it is loud
_GAP = 0.08  # seconds a dub line keeps from the next line of the same speaker


@dataclass(frozen=True, eq=False)
class Spoken:
    """A cue with its sound in its place."""

    cue: Cue
    scene: int
    segment: Segment  # of the film's line, seconds
    audio: np.ndarray  # (N,) float32, the film's line
    dub: np.ndarray  # (N,) float32, the dub's line; starts where the film's line starts


@dataclass(frozen=True, eq=False)
class Soundtrack:
    """All lines on the film's clock, and the shots that they ask for."""

    spoken: tuple[Spoken, ...]
    shots: tuple[FrameRange, ...]

    @property
    def num_samples(self) -> int:
        return self.shots[-1].stop * RATE // FPS

    def voice(self, role: str, *, dub: bool = False) -> np.ndarray:
        """The stem of one role, float32 (N,), as long as the film."""
        stem = np.zeros(self.num_samples, np.float32)
        for line in self.spoken:
            if line.cue.role == role:
                start, audio = sample_at(line.segment.start, RATE), line.dub if dub else line.audio
                stem[start : start + len(audio)] += audio
        return stem

    def dialogue(self, *, dub: bool = False) -> np.ndarray:
        """All voices together, float32 (N,)."""
        return np.sum([self.voice(role, dub=dub) for role in ROLES], axis=0, dtype=np.float32)


def record(progress: Progress = silent) -> Soundtrack:
    """Speaks every line in both languages and lays them out; the pictures' lengths follow from the lines'."""
    cues = [(i, cue) for i, scene in enumerate(SCENES) for cue in scene.cues]
    takes = {}
    for n, (_, cue) in enumerate(cues):
        progress(n, len(cues))
        takes[cue] = (
            _say(cue.text, ROLES[cue.role].voice, LANGUAGE),
            _say(cue.dub, ROLES[cue.role].dub_voice, DUB_LANGUAGE),
        )
    placed: list[tuple[int, Cue, float]] = []
    shots, now = [], 0.0
    for i, scene in enumerate(SCENES):
        first, end = round(now * FPS), now + scene.lead
        for k, cue in enumerate(scene.cues):
            start = end if k == 0 else end + cue.after
            placed.append((i, cue, round(start * FPS) / FPS))
            end = max(end, placed[-1][2] + max(len(takes[cue][0]), len(takes[cue][1]) - _room(scene, k)) / RATE)
        now = math.ceil((end + scene.tail) * FPS) / FPS
        shots.append(FrameRange(first, round(now * FPS)))
    lines = [Spoken(cue, i, Segment(at, at + len(takes[cue][0]) / RATE), *takes[cue]) for i, cue, at in placed]
    return Soundtrack(tuple(lines), tuple(shots))


def _room(scene, k: int) -> int:
    """Samples by which a dub line may outlast the film's line without meeting the next one."""
    following = scene.cues[k + 1].after if k + 1 < len(scene.cues) else scene.tail
    return int(max(0.0, following - _GAP) * RATE) if following > 0 else int(0.4 * RATE)


def _say(text: str, spec: str, language: str) -> np.ndarray:
    audio, rate = open_voice(spec, language).speak(text, language)
    audio = soxr.resample(audio, rate, RATE).astype(np.float32)
    loud = np.flatnonzero(np.abs(audio) > 0.01 * np.abs(audio).max())
    audio = audio[loud[0] : loud[-1] + 1].copy()
    frames = audio[: len(audio) // 960 * 960].reshape(-1, 960)
    power = np.sort((frames**2).mean(axis=1))[len(frames) // 2 :]  # the louder half: pauses do not count
    audio *= _LEVEL / np.sqrt(power.mean())
    fade = np.linspace(0, 1, 240, dtype=np.float32)  # 5 ms
    audio[:240] *= fade
    audio[-240:] *= fade[::-1]
    return audio


def background(num_samples: int) -> np.ndarray:
    """Music and effects: evening wind and a far, low chord, float32 (2, N), about 24 dB below the voices."""
    t = np.arange(num_samples, dtype=np.float64) / RATE
    noise = np.fft.rfft(np.random.default_rng(5).standard_normal((2, num_samples)), axis=1)
    hertz = np.fft.rfftfreq(num_samples, 1 / RATE)
    shape = 1 / (1 + (hertz / 220) ** 1.6) * (hertz > 25)
    wind = np.fft.irfft(noise * shape, num_samples, axis=1)
    wind *= 0.010 / wind.std() * (1 + 0.45 * np.sin(2 * np.pi * 0.11 * t) + 0.25 * np.sin(2 * np.pi * 0.27 * t + 1))
    chord = np.zeros((2, num_samples))
    for i, hertz_of_note in enumerate((110.0, 164.81, 220.0, 277.18)):
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * (0.05 + 0.013 * i) * t + i)
        for side, detune in enumerate((-0.2, 0.2)):
            chord[side] += swell * np.sin(2 * np.pi * (hertz_of_note + detune) * t + i) / (i + 2)
    bed = wind + 0.006 * chord
    edge = np.minimum(1, np.minimum(t, t[-1] - t) / 0.8)
    return (bed * edge).astype(np.float32)
