"""Which tracks show the same person: grouping by looks, under what cannot and what must be.

Two faces in one frame are two people, and what a person has said is not up for discussion: ``names`` gives the character
of every track that somebody has named (None elsewhere); one name is one person, two names are two. Time and memory grow
with the square of the number of tracks: 3,000 of them (a film of two hours) take seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from dubkit.faces.embed import MOST, ODDS
from dubkit.types import FaceTrack

NO_LOOKS = -1.0  # log-odds that two tracks without embeddings are one person
IMPOSSIBLE = -1e9

Names = Sequence[str | None]


def affinity(tracks: Sequence[FaceTrack], names: Names | None = None) -> np.ndarray:
    """(N, N) log-odds from looks that two tracks are one person; IMPOSSIBLE where they share a frame."""
    n = len(tracks)
    table = np.full((n, n), NO_LOOKS)
    for embedder in sorted({track.embedder for track in tracks if track.embedding is not None}):
        known = [i for i, t in enumerate(tracks) if t.embedding is not None and t.embedder == embedder]
        vectors = np.stack([tracks[i].embedding for i in known])
        even, slope = ODDS[embedder]
        table[np.ix_(known, known)] = np.clip(slope * (vectors @ vectors.T - even), -MOST, MOST)
    by_shot = defaultdict(list)
    for i, track in enumerate(tracks):
        by_shot[track.shot].append(i)
    for together in by_shot.values():
        for k, i in enumerate(together):
            for j in together[:k]:
                if len(tracks[i].range & tracks[j].range):
                    table[i, j] = table[j, i] = IMPOSSIBLE
    named = [i for i, name in enumerate(names or ()) if name is not None]
    for k, i in enumerate(named):
        for j in named[:k]:
            table[i, j] = table[j, i] = -IMPOSSIBLE if names[i] == names[j] else IMPOSSIBLE
    return table


def group(tracks: Sequence[FaceTrack], names: Names | None = None) -> np.ndarray:
    """(N,) person of every track: average-link clustering of the affinities, stopped at even odds."""
    n = len(tracks)
    if not n:
        return np.zeros(0, int)
    table = affinity(tracks, names)
    np.fill_diagonal(table, IMPOSSIBLE)
    forbidden = table <= IMPOSSIBLE / 2
    size, person, gone = np.ones(n), np.arange(n), set()
    nearest = table.argmax(axis=1)
    best = table[np.arange(n), nearest]
    while True:
        i = int(np.argmax(best))
        if best[i] <= 0:
            return np.unique(person, return_inverse=True)[1]
        i, j = sorted((i, int(nearest[i])))
        merged = (size[i] * table[i] + size[j] * table[j]) / (size[i] + size[j])
        forbidden[i] |= forbidden[j]
        merged[forbidden[i]] = IMPOSSIBLE
        table[i], table[:, i], forbidden[:, i] = merged, merged, forbidden[i]
        table[j], table[:, j], forbidden[:, j] = IMPOSSIBLE, IMPOSSIBLE, True
        size[i] += size[j]
        person[person == j] = i
        gone.add(j)
        best[j], nearest[j] = IMPOSSIBLE, -1
        changed = np.flatnonzero((nearest == i) | (nearest == j) | (merged > best))
        for row in {i, *changed.tolist()} - gone:
            nearest[row] = table[row].argmax()
            best[row] = table[row, nearest[row]]


def looks_alike(tracks: Sequence[FaceTrack], names: Names | None = None) -> Callable[[np.ndarray, int, int], float]:
    """A function that gives the log-odds from looks that two persons of a grouping are one."""
    table = affinity(tracks, names)

    def odds(person_of: np.ndarray, p: int, q: int) -> float:
        block = table[np.ix_(person_of == p, person_of == q)]
        if not block.size or block.min() <= IMPOSSIBLE / 2:
            return -np.inf
        return float(min(block.mean(), -IMPOSSIBLE))

    return odds
