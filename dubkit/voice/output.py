"""The files of a dub: balance, stems, dialogue, background, mix; and what was measured of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dubkit.errors import InputError
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.settings import VoiceSettings
from dubkit.types import DubLine
from dubkit.voice import levels, loudness, mix
from dubkit.voice.background import Background
from dubkit.voice.dialogue import Dialogue
from dubkit.voice.limit import limited
from dubkit.voice.tracks import BLOCK, RATE, Track, file_track, scaled, summed, watched, write_track

NOBODY = "_nobody.flac"  # what a finished track says near no turn
FULL_SCALE = -0.2  # dBFS: no stem clips
CLOSE = 0.2  # LU: nearer than this to the target is done
ATTEMPTS = 3  # the limiter takes loudness away; the next attempt gives it back
_DEVICE = r"con|prn|aux|nul|com\d|lpt\d"  # no names for files on Windows, whatever comes after the dot
MOST_TRIM = 12.0  # dB by which the dialogue is moved to reach the source's loudness

Energies = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Written:
    """Files and their measures."""

    lines: tuple[DubLine, ...]  # with the gains that they got
    stems: dict[str, Path]
    dialogue: Path
    background: Path | None
    mix: Path
    loudness: dict[str, Any]

    def paths(self) -> list[Path]:
        return [*self.stems.values(), self.dialogue, self.mix, *([self.background] if self.background else [])]


def write_dub(
    dialogue: Dialogue,
    background: Background,
    heard: levels.Original | None,
    samples: int,
    folder: Path,
    settings: VoiceSettings,
    progress: Callable[[float], None],
    kept: Pieces = NOTHING_KEPT,
) -> Written:
    """Writes everything into ``folder``; ``heard`` is the original's loudness. ``progress`` is told 0 to 1.

    A killed run goes on with the file that it was at.
    """
    walk = _Walks(progress, passes=len(dialogue.speakers) + 4, samples=samples)
    whole = dialogue.whole(samples)
    placing = mix.placing(background.track.channels)
    energies = kept(
        "energies of the mix", lambda: np.array(loudness.joint_energy(walk(background.track), whole, placing))
    )
    wanted = loudness.target(settings.loudness)
    as_source = wanted is None
    if wanted is None:
        wanted = loudness.integrated(heard.steps.sum(axis=0)) if heard else levels.NEUTRAL
    aim = wanted
    for attempt in range(ATTEMPTS):
        trim, gain = _balance(energies, aim, as_source, settings)
        spoken, beside = dialogue.louder(trim * gain), scaled(background.track, gain)
        files = _Files(folder, kept, attempt)
        written = _write(spoken, beside, background.said, samples, files, settings, walk)
        error = wanted - written.loudness["integrated_lufs"]
        if abs(error) <= CLOSE or not np.isfinite(error) or (as_source and settings.level == "keep"):
            break
        if attempt + 1 < ATTEMPTS:
            aim += error
    written.loudness.update(
        target_lufs=round(wanted, 2),
        dialogue_trim_db=_db(trim),
        programme_gain_db=_db(gain),
        within_half_lu=bool(abs(error) <= 0.5),
    )
    return written


class _Walks:
    """Counts how far the walks over the film are; a further attempt stays at the end."""

    def __init__(self, progress: Callable[[float], None], passes: int, samples: int):
        self._progress, self._all, self._done = progress, passes * max(1, -(-samples // BLOCK)), 0

    def __call__(self, track: Track) -> Track:
        return watched(track, self._tick)

    def _tick(self) -> None:
        self._done += 1
        self._progress(min(1.0, self._done / self._all))


def _balance(energies: Energies, aim: float, as_source: bool, settings: VoiceSettings) -> tuple[float, float]:
    """(factor of the dialogue alone, factor of the whole programme) that bring the mix to ``aim`` LUFS.

    "As the source" moves only the dialogue, so that the M&E stays what it is; a number moves the whole programme.
    """
    background, both, dialogue = energies
    now = loudness.integrated(np.maximum(background + 2 * both + dialogue, 0))
    if not np.isfinite(now):
        if as_source:
            return 1.0, 1.0
        raise InputError("the dub has no sound whose loudness could be set")
    if not as_source:
        return 1.0, 10 ** ((aim - now) / 20)
    if settings.level == "keep" or not np.isfinite(aim):
        return 1.0, 1.0
    return loudness.solve_gain(energies, aim, MOST_TRIM), 1.0


@dataclass(frozen=True, slots=True)
class _Files:
    """Writes the files of one attempt; those that a killed run has written in it are left as they are."""

    folder: Path
    kept: Pieces
    attempt: int

    def write(self, name: str, track: Track, beside: Sequence[int] = ()) -> tuple[Path, Sequence[int]]:
        """The file, and what ``beside`` was when it had been written."""
        path, known = self.folder / name, f"{self.attempt} {name}"
        if known not in self.kept or not path.is_file():
            write_track(path, track)
            self.kept.keep(known, list(beside))
        return path, self.kept.get(known) or beside


def _write(
    dialogue: Dialogue, background: Track, said: str, samples: int, files: _Files, settings: VoiceSettings, walk: _Walks
) -> Written:
    names, folder = _file_names(list(dialogue.speakers)), files.folder
    for old in (folder / "stems").glob("*.*"):  # of a speaker who is no more, or of another voice.stem_format
        if old.suffix == ".wav" or old.name not in (*names.values(), *([NOBODY] if dialogue.rest else [])):
            old.unlink()
    for name in ("dialogue.wav", "background.wav", "mix.wav", *(() if said else ("background.flac",))):
        (folder / name).unlink(missing_ok=True)  # of an earlier dub
    stems = {s: files.write(f"stems/{names[s]}", _unclipped(walk(t)))[0] for s, t in dialogue.speakers.items()}
    parts = [file_track(path, samples) for path in stems.values()]
    if dialogue.rest:
        parts.append(file_track(files.write(f"stems/{NOBODY}", _unclipped(dialogue.rest))[0], samples))
    whole = file_track(files.write("dialogue.flac", _unclipped(walk(summed(parts, samples))))[0], samples)
    beside = files.write("background.flac", walk(background))[0] if said else None
    measured = _write_mix(background, walk(whole), files, settings)
    return Written(dialogue.lines, stems, folder / "dialogue.flac", beside, folder / "mix.flac", measured)


def _write_mix(background: Track, dialogue: Track, files: _Files, settings: VoiceSettings) -> dict[str, Any]:
    """The mix under the true-peak ceiling, and what ffmpeg measures in the written file."""
    places = [int(c) for c in np.flatnonzero(mix.placing(background.channels))]
    others = [c for c in range(background.channels) if c not in places]
    groups, acted = [places, *([others] if others else [])], [0, 0]

    def count(group: int, samples: int) -> None:
        acted[group] += samples

    mixed = limited(mix.mixed(background, dialogue), settings.true_peak, groups, count)
    path, acted = files.write("mix.flac", mixed, acted)
    programme, peak = files.kept(f"{files.attempt} measured", lambda: loudness.measure(path))
    return {
        "integrated_lufs": round(programme, 2),
        "true_peak_dbtp": round(peak, 2),
        "limited_s": round(acted[0] / RATE, 3),
        "limited_beside_dialogue_s": round(acted[1] / RATE, 3),
    }


def _file_names(speakers: list[str]) -> dict[str, str]:
    """A file name for every speaker, safe on every system, no two alike."""
    names: dict[str, str] = {}
    for speaker in speakers:
        safe = re.sub(r"[^\w.-]+", "_", speaker).strip("._") or "speaker"
        safe = f"_{safe}" if re.fullmatch(_DEVICE, safe.split(".")[0], re.IGNORECASE) else safe
        while f"{safe}.flac".lower() in (used.lower() for used in names.values()):
            safe += "_"
        names[speaker] = f"{safe}.flac"
    return names


def _unclipped(track: Track) -> Track:
    return limited(track, FULL_SCALE, [range(track.channels)], oversample=False)


def _db(factor: float) -> float:
    return round(20 * float(np.log10(factor)), 2)
