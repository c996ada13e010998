"""How loud each line of the dub is to be: as the actor's own line was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.types import Line, Segment
from dubkit.voice.loudness import Energy, channel_energies, from_lufs, lufs, mono_energy
from dubkit.voice.mix import carriers
from dubkit.voice.placed import Placed
from dubkit.voice.tracks import Track, load_mono

MOST_DB = 15.0  # dB, largest gain up or down
NEUTRAL = -23.0  # LUFS of a line where there is no original to follow


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """Loudness of the film's own sound: ``steps`` per channel and 100 ms (C, S), and where its dialogue is."""

    steps: np.ndarray
    carriers: tuple[int, ...]
    background: np.ndarray | None = None  # (S,) energy of the M&E in the same channels

    def dialogue(self, segments: Sequence[Segment]) -> float:
        """Energy of the original's speech in some stretches, without that of the M&E where it is known; 0 if silent."""
        whole = self.steps[list(self.carriers)].sum(axis=0)
        energy = Energy(whole).within(segments)
        if self.background is None or not energy:
            return energy
        return max(energy - Energy(self.background[: len(whole)]).within(segments), 0.1 * energy)


def listen(original: Track, speech: Sequence[Segment], background: Track | None, kept: Pieces = NOTHING_KEPT) -> Original:  # fmt: skip
    """Walks the original once, and the M&E once where it is given in the same layout."""
    steps = kept("energies of the original", lambda: channel_energies(original))
    found = tuple(carriers(steps, speech))
    if background is None or background.channels != original.channels:
        return Original(steps, found)
    beside = kept("energies of the M&E", lambda: channel_energies(background))
    return Original(steps, found, beside[list(found)].sum(axis=0))


def line_gains(placed: Sequence[Placed], original: Original | None, mode: str) -> dict[str, float]:
    """Factor of every line made one by one, by line id. ``mode``: auto | line | film | keep (see VoiceSettings)."""
    if mode == "keep":
        return {line.unit.id: 1.0 for line in placed}
    own = {line.unit.id: _own(line) for line in placed}
    wanted = _wanted([line.unit for line in placed], original)
    factors = {key: _factor(wanted[key], own[key]) for key in own}
    if mode == "film" and factors:
        middle = float(np.median(list(factors.values())))
        return dict.fromkeys(factors, middle)
    return factors


def recording_gain(own: Energy, units: Mapping[str, Line], spoken: Mapping[str, list[Segment]], original: Original | None) -> float:  # fmt: skip
    """One factor for a recorded track: its lines together as loud as the actors' were. ``spoken``: unit id → where."""
    if original is None or not spoken:
        return 1.0
    mine = own.within([s for segments in spoken.values() for s in segments])
    theirs = original.dialogue([units[key].segment for key in spoken])
    return _factor(theirs, mine)


def recorded_line_gains(own: Energy, units: Mapping[str, Line], spoken: Mapping[str, list[Segment]], original: Original | None) -> dict[str, float]:  # fmt: skip
    """A factor for every line of a recorded track, by unit id."""
    wanted = _wanted([units[key] for key in spoken], original)
    return {key: _factor(wanted[key], own.within(segments)) for key, segments in spoken.items()}


def _own(line: Placed) -> float:
    energy = mono_energy(load_mono(line.path))
    return energy.within([Segment(0.0, len(energy.steps) / 10)])


def _wanted(units: Sequence[Line], original: Original | None) -> dict[str, float]:
    """Energy for every line; where the original is silent, that of the middle line."""
    if original is None:
        return {unit.id: from_lufs(NEUTRAL) for unit in units}
    heard = {unit.id: original.dialogue([unit.segment]) for unit in units}
    loud = [value for value in heard.values() if lufs(value) > -60]
    middle = float(np.median(loud)) if loud else from_lufs(NEUTRAL)
    return {key: value if lufs(value) > -60 else middle for key, value in heard.items()}


def _factor(wanted: float, own: float) -> float:
    if wanted <= 0 or own <= 0:
        return 1.0
    return float(np.clip(np.sqrt(wanted / own), 10 ** (-MOST_DB / 20), 10 ** (MOST_DB / 20)))
