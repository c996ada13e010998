"""Which voice is which person: one optimisation over the whole film.

A piece of a line says, for every person p who may own the voice, how likely it looks: ``exp(evidence)`` if p is visible,
1 if p is not (then the line is off screen). With probability ``MISTAKE`` the diarizer gave the piece to the wrong voice and
it says nothing; so one bad turn cannot outvote ten good ones. The log-likelihoods of all pieces of a voice add up to
``gain[s, p]``, relative to nobody (a narrator, an unseen voice). Who is in the picture whenever a voice is heard, and
rarely otherwise, is a little evidence too: films mostly show the one who speaks. Voices get persons by linear assignment: a second voice on
the same person costs ``SPLIT`` (the diarizer has split one voice in two), nobody costs nothing.

Two persons whom one voice drives in different shots are probably one: they are merged as long as that raises the total
by more than their looks speak against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from dubkit.cast.evidence import Piece

MISTAKE = 0.05  # share of pieces whose diarized speaker is wrong
SPLIT = 4.0  # nats that a second voice on one person costs
VOICE_SAYS = 5.0  # nats: the most that one shared voice can say for two faces being one person
SHOWN = 0.75  # share of a speaker's shots that show the speaker
COMPANY = 3.0  # nats: the most that being in the picture says
NEVER = 40.0  # nats: as good as certain


def likelihoods(evidence: Mapping[int, float], person_of: np.ndarray, persons: int) -> np.ndarray:
    """(persons + 1,) log-likelihood of a piece for every owner of the voice; the last is nobody."""
    table = np.zeros(persons + 1)
    for track, value in evidence.items():
        table[person_of[track]] = max(table[person_of[track]], value) if table[person_of[track]] > 0 else value
    odds = np.array([0.0, *evidence.values()])
    anything = np.logaddexp.reduce(odds) - np.log(len(odds))
    return np.logaddexp(np.log(1 - MISTAKE) + table, np.log(MISTAKE) + anything)


def gains(pieces: Sequence[Piece], speakers: Sequence[str], person_of: np.ndarray, persons: int) -> np.ndarray:
    """(speakers, persons) nats by which the film prefers a person to nobody as owner of a voice."""
    rows = {speaker: i for i, speaker in enumerate(speakers)}
    table = np.zeros((len(speakers), persons))
    for piece in pieces:
        found = likelihoods(piece.exclusive, person_of, persons)
        table[rows[piece.turn.speaker]] += found[:-1] - found[-1]
    return table + company(pieces, speakers, person_of, persons)


def company(pieces: Sequence[Piece], speakers: Sequence[str], person_of: np.ndarray, persons: int) -> np.ndarray:
    """(speakers, persons) nats from who is visible in the shots of which voice; each shot counts once, and half."""
    shots = sorted({(piece.turn.speaker, piece.shot) for piece in pieces})
    row = {shot: i for i, shot in enumerate(shots)}
    visible = np.zeros((len(shots), persons), bool)
    for piece in pieces:
        for track in piece.evidence:
            visible[row[piece.turn.speaker, piece.shot], person_of[track]] = True
    usual = (visible.sum(axis=0) + 1) / (len(shots) + 2)
    says = 0.5 * np.where(visible, np.log(SHOWN / usual), np.log((1 - SHOWN) / (1 - usual)))
    table = np.zeros((len(speakers), persons))
    for (speaker, _), nats in zip(shots, says, strict=True):
        table[list(speakers).index(speaker)] += nats
    return np.clip(table, -COMPANY, COMPANY)


def assign(gain: np.ndarray) -> tuple[np.ndarray, float]:
    """Person of every voice (-1: nobody) and the total, for gains (speakers, persons)."""
    voices, persons = gain.shape
    if not voices or not persons:
        return np.full(voices, -1), 0.0
    copies = np.concatenate([gain - SPLIT * k for k in range(min(voices, 4))] + [np.zeros((voices, voices))], axis=1)
    rows, columns = linear_sum_assignment(-copies)
    seats = persons * min(voices, 4)
    chosen = np.where(columns < seats, columns % persons, -1)
    return chosen, float(copies[rows, columns].sum())


def merge_persons(
    person_of: np.ndarray,
    gain_of: Callable[[np.ndarray, int], np.ndarray],
    alike: Callable[[np.ndarray, int, int], float],
) -> tuple[np.ndarray, np.ndarray]:
    """Joins persons whom a voice and their looks make one; returns person of every track, and the final gains.

    ``gain_of(person_of, persons)`` gives the gains of a grouping; ``alike(person_of, p, q)`` the log-odds from looks that
    two persons are one, minus infinity where they cannot be.
    """
    person_of = person_of.copy()
    while True:
        persons = int(person_of.max(initial=-1)) + 1
        gain = gain_of(person_of, persons)
        _, total = assign(gain)
        best, pair = 0.0, None
        for p, q in _rivals(gain):
            looks = alike(person_of, p, q)
            if looks + VOICE_SAYS <= best:
                continue
            joined = _join(person_of, p, q)
            _, together = assign(gain_of(joined, persons - 1))
            better = min(together - total, VOICE_SAYS) + looks
            if better > best:
                best, pair = better, joined
        if pair is None:
            return person_of, gain
        person_of = pair


def _rivals(gain: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of persons whom the same voice seems to drive."""
    pairs = set()
    for row in gain:
        likely = [int(p) for p in np.argsort(-row)[:12] if row[p] > 1.0]
        pairs |= {(min(p, q), max(p, q)) for i, p in enumerate(likely) for q in likely[:i]}
    return sorted(pairs)


def _join(person_of: np.ndarray, p: int, q: int) -> np.ndarray:
    joined = np.where(person_of == q, p, person_of)
    return np.where(joined > q, joined - 1, joined)


def beliefs(gain: np.ndarray) -> np.ndarray:
    """(speakers, persons + 1) log-weights of who owns a voice, the others' claims counted; the last is nobody."""
    chosen, _ = assign(gain)
    taken = np.zeros_like(gain)
    for voice, person in enumerate(chosen):
        if person >= 0:
            taken[:, person] += SPLIT
            taken[voice, person] -= SPLIT
    return np.concatenate([gain - taken, np.zeros((len(gain), 1))], axis=1)
