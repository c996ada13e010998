"""Which tracks show the same person: grouping by looks, under what cannot and what must be.

Two faces in one frame are two people, and what a person has said is not up for discussion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dubkit.faces.embed import MOST, ODDS
from dubkit.types import FaceTrack

NO_LOOKS = -1.0  # log-odds that two tracks without embeddings are one person
IMPOSSIBLE = -1e9

Pair = Callable[[int, int], bool]


def _never(i: int, j: int) -> bool:
    return False


def affinity(tracks: Sequence[FaceTrack], same: Pair = _never, different: Pair = _never) -> np.ndarray:
    """(N, N) log-odds from looks that two tracks are one person; IMPOSSIBLE where they share a frame."""
    n = len(tracks)
    table = np.full((n, n), NO_LOOKS)
    for embedder in sorted({track.embedder for track in tracks if track.embedding is not None}):
        known = [i for i, t in enumerate(tracks) if t.embedding is not None and t.embedder == embedder]
        vectors = np.stack([tracks[i].embedding for i in known])
        even, slope = ODDS[embedder]
        table[np.ix_(known, known)] = np.clip(slope * (vectors @ vectors.T - even), -MOST, MOST)
    for i in range(n):
        for j in range(i):
            together = tracks[i].shot == tracks[j].shot and len(tracks[i].range & tracks[j].range)
            if different(i, j) or (together and not same(i, j)):
                table[i, j] = table[j, i] = IMPOSSIBLE
            elif same(i, j):
                table[i, j] = table[j, i] = -IMPOSSIBLE
    return table


def group(tracks: Sequence[FaceTrack], same: Pair = _never, different: Pair = _never) -> np.ndarray:
    """(N,) person of every track: average-link clustering of the affinities, stopped at even odds."""
    n = len(tracks)
    if not n:
        return np.zeros(0, int)
    table = affinity(tracks, same, different)
    np.fill_diagonal(table, IMPOSSIBLE)
    size = np.ones(n)
    alive = np.ones(n, bool)
    person = np.arange(n)
    forbidden = table <= IMPOSSIBLE / 2
    while True:
        open_pairs = np.where(alive[:, None] & alive[None] & ~forbidden, table, IMPOSSIBLE)
        i, j = np.unravel_index(np.argmax(open_pairs), table.shape)
        if open_pairs[i, j] <= 0:
            break
        merged = (size[i] * table[i] + size[j] * table[j]) / (size[i] + size[j])
        forbidden[i] |= forbidden[j]
        forbidden[:, i] = forbidden[i]
        table[i], table[:, i] = merged, merged
        size[i] += size[j]
        alive[j] = False
        person[person == j] = i
    return np.unique(person, return_inverse=True)[1]


def looks_alike(
    tracks: Sequence[FaceTrack], same: Pair = _never, different: Pair = _never
) -> Callable[[np.ndarray, int, int], float]:
    """A function that gives the log-odds from looks that two persons of a grouping are one."""
    table = affinity(tracks, same, different)

    def odds(person_of: np.ndarray, p: int, q: int) -> float:
        block = table[np.ix_(person_of == p, person_of == q)]
        if not block.size or block.min() <= IMPOSSIBLE / 2:
            return -np.inf
        return float(min(block.mean(), -IMPOSSIBLE))

    return odds
