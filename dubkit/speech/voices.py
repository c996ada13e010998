"""Speaker names that last: the same voice has the same name after a re-run, and across reels and episodes.

Diarizers number speakers anew each time (SPEAKER_00 ...). Within one film the time that two turns share says who is
who; between films only the voice does, as the cosine of speaker embeddings of the same engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dubkit.speech.base import Diarization
from dubkit.speech.turns import keep_ids, overlapping
from dubkit.types import Turn

SAME_VOICE = 0.7  # cosine of two CAM++ embeddings above which they are taken for one person; measured in docs/speech.md


def by_time(old: Sequence[Turn], new: Sequence[Turn]) -> dict[str, str]:
    """New speaker → old speaker, one to one, by the most seconds that their turns share in all."""
    shared: dict[tuple[str, str], float] = {}
    for before, now in overlapping(old, new):
        key = (now.speaker, before.speaker)
        shared[key] = shared.get(key, 0.0) + before.segment.overlap(now.segment)
    return _pairs(shared)


def by_voice(
    known: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], minimum: float = SAME_VOICE
) -> dict[str, str]:
    """New speaker → known speaker, one to one, by the highest cosine in all; none below ``minimum``.

    Vectors (D,) of another length than the known ones come from another engine and are not compared.
    """
    cosines = {}
    for now, a in found.items():
        for before, b in known.items():
            if a.shape == b.shape:
                cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) or 1.0))
                if cosine >= minimum:
                    cosines[now, before] = cosine
    return _pairs(cosines)


def renamed(diarization: Diarization, names: Mapping[str, str], taken: Sequence[str] = ()) -> Diarization:
    """The diarization with new speaker names. A speaker without one keeps theirs, or, where that belongs to somebody
    else (``names``' values, ``taken``), gets the next free SPEAKER_nn."""
    used = {*names.values(), *taken}
    full = dict(names)
    for speaker in dict.fromkeys(turn.speaker for turn in (*diarization.turns, *diarization.exclusive)):
        if speaker not in full:
            number = 0
            name = speaker
            while name in used:
                name, number = f"SPEAKER_{number:02}", number + 1
            full[speaker] = name
            used.add(name)
    return Diarization(
        tuple(replace(turn, speaker=full[turn.speaker]) for turn in diarization.turns),
        tuple(replace(turn, speaker=full[turn.speaker]) for turn in diarization.exclusive),
        {full.get(name, name): vector for name, vector in diarization.embeddings.items()},
    )


def continued(
    found: Diarization,
    old: Sequence[Turn] = (),
    known: Mapping[str, np.ndarray] | None = None,
    elsewhere: Mapping[str, np.ndarray] | None = None,
) -> Diarization:
    """``found`` under the speaker names and turn ids of what was there before.

    ``elsewhere``: speaker embeddings of other films, whose names win: that is what they were given for. ``old``: the
    turns of an earlier run on the same film; for everybody else their time decides. ``known``: embeddings of that run,
    for the speakers that time did not settle. Nobody new gets the name of somebody known.
    """
    elsewhere, known = elsewhere or {}, known or {}
    names = by_voice(elsewhere, found.embeddings)
    here = [turn for turn in old if turn.speaker not in elsewhere]
    names |= by_time(here, [turn for turn in found.turns if turn.speaker not in names])
    rest = {name: vector for name, vector in found.embeddings.items() if name not in names}
    taken = {*elsewhere, *names.values()}
    names |= by_voice({name: vector for name, vector in known.items() if name not in taken}, rest)
    new = renamed(found, names, [*elsewhere, *known, *(turn.speaker for turn in old)])
    return replace(new, turns=keep_ids(old, new.turns))


def _pairs(gains: Mapping[tuple[str, str], float]) -> dict[str, str]:
    """The one-to-one choice of pairs with the highest sum (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = sorted({a for a, _ in gains}), sorted({b for _, b in gains})
    table = np.array([[gains.get((a, b), 0.0) for b in columns] for a in rows]).reshape(len(rows), len(columns))
    return {
        rows[i]: columns[j]
        for i, j in zip(*linear_sum_assignment(table, maximize=True), strict=True)
        if table[i, j] > 0
    }
