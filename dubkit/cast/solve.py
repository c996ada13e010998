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

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from dubkit.cast.evidence import Piece

MISTAKE = 0.05  # share of pieces whose diarized speaker is wrong
SPLIT = 4.0  # nats that a second voice on one person costs
VOICE_SAYS = 5.0  # nats: the most that one shared voice can say for two faces being one person
SHOWN = 0.75  # share of a speaker's shots that show the speaker
COMPANY = 3.0  # nats: the most that being in the picture says
SEATS = 4  # voices that one person may have, at most
RIVALS = 12  # persons that a voice may seem to drive, and that are compared
UNLIKE, TWINS = 0.1, 0.7  # cosines of voice prints: surely two people; as the same person's on two days
NEVER = 40.0  # nats: as good as certain


def likelihoods(evidence: Mapping[int, float], person_of: np.ndarray, persons: int) -> np.ndarray:
    """(persons + 1,) log-likelihood of a piece for every owner of the voice; the last is nobody."""
    table = np.zeros(persons + 1)
    for person in {int(person_of[track]) for track in evidence}:
        table[person] = max(value for track, value in evidence.items() if person_of[track] == person)
    return np.logaddexp(np.log(1 - MISTAKE) + table, np.log(MISTAKE) + anybody(evidence))


def anybody(evidence: Mapping[int, float]) -> float:
    """Log-likelihood of a piece that may be anybody's, for its voice was named wrongly."""
    odds = np.array([0.0, *evidence.values()])
    return float(np.logaddexp.reduce(odds) - np.log(len(odds)))


class Film:
    """The film's pieces as arrays, so that what a voice says for a person is one sum over that person's appearances.

    A film of two hours has thousands of pieces, and the search for persons who are one asks that question for thousands
    of groupings; each answer touches only the pieces in which the person is seen.
    """

    def __init__(self, pieces: Sequence[Piece], speakers: Sequence[str], tracks: int):
        rows = {speaker: i for i, speaker in enumerate(speakers)}
        self.voices = len(speakers)
        self.voice = np.array([rows[piece.turn.speaker] for piece in pieces], int)  # of each piece
        self.anybody = np.array([anybody(piece.exclusive) for piece in pieces])
        seen = [(n, track, value) for n, piece in enumerate(pieces) for track, value in piece.exclusive.items()]
        self.piece = np.array([n for n, _, _ in seen], int)
        self.value = np.array([value for _, _, value in seen])
        track_of = np.array([track for _, track, _ in seen], int)
        order = np.argsort(track_of, kind="stable")
        edges = np.searchsorted(track_of[order], np.arange(tracks + 1))
        self.entries = [order[a:b] for a, b in itertools.pairwise(edges)]  # of each track: rows of piece and value
        shots = sorted({(int(v), piece.shot) for v, piece in zip(self.voice, pieces, strict=True)})
        numbers = {shot: i for i, shot in enumerate(shots)}
        self.shot_voice = np.array([voice for voice, _ in shots], int)
        self.shot = np.array([numbers[int(v), p.shot] for v, p in zip(self.voice, pieces, strict=True)], int)

    def gain(self, tracks: Sequence[int]) -> np.ndarray:
        """(speakers,) nats by which the film prefers the person of these tracks to nobody as owner of each voice."""
        entries = np.concatenate([self.entries[track] for track in tracks]) if len(tracks) else np.zeros(0, int)
        if not len(entries):
            return np.zeros(self.voices)
        pieces, at = np.unique(self.piece[entries], return_inverse=True)
        best = np.full(len(pieces), -np.inf)
        np.maximum.at(best, at, self.value[entries])
        wrong = np.log(MISTAKE) + self.anybody[pieces]
        says = np.logaddexp(np.log(1 - MISTAKE) + best, wrong) - np.logaddexp(np.log(1 - MISTAKE), wrong)
        return np.bincount(self.voice[pieces], says, self.voices) + self._company(pieces)

    def _company(self, pieces: np.ndarray) -> np.ndarray:
        """(speakers,) nats from being seen in the shots of which voice; each shot counts once, and half."""
        visible = np.zeros(len(self.shot_voice), bool)
        visible[self.shot[pieces]] = True
        usual = (visible.sum() + 1) / (len(visible) + 2)
        says = 0.5 * np.where(visible, np.log(SHOWN / usual), np.log((1 - SHOWN) / (1 - usual)))
        return np.clip(np.bincount(self.shot_voice, says, self.voices), -COMPANY, COMPANY)


def assign(gain: np.ndarray, doubling: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Person of every voice (-1: nobody) and the total, for gains (speakers, persons).

    ``doubling`` (speakers,) is what each voice pays for a person who has a voice already; none: SPLIT.
    """
    voices, persons = gain.shape
    if not voices or not persons:
        return np.full(voices, -1), 0.0
    price = np.full(voices, SPLIT) if doubling is None else doubling
    kept = _worth(gain)
    seats = min(voices, SEATS)
    copies = [gain[:, kept] - price[:, None] * k for k in range(seats)]
    table = np.concatenate([*copies, np.zeros((voices, voices))], axis=1)
    rows, columns = linear_sum_assignment(-table)
    chosen = np.full(voices, -1)
    some = columns < len(kept) * seats
    chosen[some] = kept[columns[some] % max(1, len(kept))]
    return chosen, float(table[rows, columns].sum())


def _worth(gain: np.ndarray) -> np.ndarray:
    """Persons that an optimal assignment may use: each voice's best few, as many as there are voices."""
    voices, persons = gain.shape
    if persons <= voices:
        return np.arange(persons)
    top = np.argpartition(-gain, voices - 1, axis=1)[:, :voices]
    useful = np.take_along_axis(gain, top, axis=1) > 0
    return np.unique(top[useful])


def doubling_prices(speakers: Sequence[str], embeddings: Mapping[str, np.ndarray] | None) -> np.ndarray:
    """(speakers,) nats that each voice pays to be a second one of a person who has one already.

    The diarizer says that they are two. Where its own voice prints say that a voice is nearly another one's twin, it
    may have split one person in two, and the price falls; a voice unlike all others pays more.
    """
    price = np.full(len(speakers), SPLIT)
    known = [i for i, speaker in enumerate(speakers) if embeddings is not None and speaker in embeddings]
    if len(known) < 2:
        return price
    vectors = np.stack([np.asarray(embeddings[speakers[i]], np.float64) for i in known])
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -1.0)
    price[known] = SPLIT * np.interp(cosine.max(axis=1), (UNLIKE, TWINS), (2.0, 0.25))
    return price


def merge_persons(
    person_of: np.ndarray,
    gain_of: Callable[[Sequence[int]], np.ndarray],
    alike: Callable[[np.ndarray, int, int], float],
    doubling: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Joins persons whom a voice and their looks make one; returns person of every track, and the final gains.

    ``gain_of(tracks)`` gives every voice's gain (speakers,) for a person of these tracks; ``alike(person_of, p, q)`` the
    log-odds from looks that two persons are one, minus infinity where they cannot be.
    """
    person_of = person_of.copy()
    columns = [gain_of(np.flatnonzero(person_of == p)) for p in range(int(person_of.max(initial=-1)) + 1)]
    joined: dict[tuple[int, ...], np.ndarray] = {}
    while True:
        gain = np.stack(columns, axis=1) if columns else np.zeros((len(gain_of([])), 0))
        _, total = assign(gain, doubling)
        found = []
        for p, q in _rivals(gain):
            looks = alike(person_of, p, q)
            if looks + VOICE_SAYS <= 0:
                continue
            members = tuple(np.flatnonzero((person_of == p) | (person_of == q)).tolist())
            if members not in joined:
                joined[members] = gain_of(members)
            together = np.delete(gain, q, axis=1)
            together[:, p] = joined[members]
            better = min(assign(together, doubling)[1] - total, VOICE_SAYS) + looks
            if better > 0:
                found.append((better, p, q, joined[members]))
        if not found:
            return person_of, gain
        changed: set[int] = set()
        for _, p, q, column in sorted(found, key=lambda f: (-f[0], f[1], f[2])):
            if not changed & {p, q}:  # another voice's pair: as good as if it were decided in a round of its own
                changed |= {p, q}
                person_of[person_of == q] = p
                columns[p] = column
        left = np.unique(person_of)
        person_of, columns = np.searchsorted(left, person_of), [columns[p] for p in left]


def _rivals(gain: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (p < q) of persons whom the same voice seems to drive: each voice's favourite with the ones after."""
    pairs = set()
    for row in gain:
        likely = [int(p) for p in np.argsort(-row)[:RIVALS] if row[p] > 1.0]
        pairs |= {(min(p, likely[0]), max(p, likely[0])) for p in likely[1:]}
    return sorted(pairs)


def beliefs(gain: np.ndarray, doubling: np.ndarray | None = None) -> np.ndarray:
    """(speakers, persons + 1) log-weights of who owns a voice, the others' claims counted; the last is nobody."""
    chosen, _ = assign(gain, doubling)
    price = np.full(len(gain), SPLIT) if doubling is None else doubling
    taken = np.zeros_like(gain)
    for voice, person in enumerate(chosen):
        if person >= 0:
            taken[:, person] += price
            taken[voice, person] -= price[voice]
    return np.concatenate([gain - taken, np.zeros((len(gain), 1))], axis=1)
