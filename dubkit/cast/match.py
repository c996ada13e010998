"""The cast: every line's face, or off screen, or undecided; every voice's person.

``solve.py`` decides over the whole film which voice is which person. Here each piece of a line is then decided with that
knowledge *minus what the piece itself contributed*, so nothing is counted twice. What a person has decided is applied
before (as evidence that the rest of the film learns from) and after (it always wins).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from dubkit.cast.evidence import Piece, cut_turns
from dubkit.cast.locks import Decisions, decide
from dubkit.cast.solve import MISTAKE, Film, assign, beliefs, doubling_prices, likelihoods, merge_persons
from dubkit.faces.identity import group, looks_alike
from dubkit.settings import CastSettings
from dubkit.types import Assignment, Character, FaceTrack, Lock, Shot, SpeakingScore, Turn

CERTAIN = 99.0  # score and margin of a human decision
SPILL = 0.2  # seconds: a turn that reaches over a cut by less is a diarizer's rounding, not a line in that shot

SPILLED = "the turn reaches over the cut by a moment only"


@dataclass(frozen=True, slots=True)
class CastResult:
    """Who is in the film, and whose face every line is."""

    characters: tuple[Character, ...]
    assignments: tuple[Assignment, ...]  # by time; one for each turn and shot

    @property
    def undecided(self) -> tuple[Assignment, ...]:
        return tuple(a for a in self.assignments if a.state == "undecided")


def match(
    turns: Sequence[Turn],
    shots: Sequence[Shot],
    tracks: Sequence[FaceTrack],
    scores: Sequence[SpeakingScore],
    rate: Fraction,
    settings: CastSettings,
    locks: Sequence[Lock] = (),
    embeddings: Mapping[str, np.ndarray] | None = None,
) -> CastResult:
    """Assigns voices to faces. ``embeddings`` are the diarizer's voice prints, speaker → (D,); they may be missing.

    Raises InputError for a lock that names a turn or face that does not exist, or that contradicts another.
    """
    pieces = cut_turns(turns, shots, tracks, scores, rate)
    speakers = sorted({turn.speaker for turn in turns})
    decisions = decide(locks, turns, tracks)
    pieces = [decisions.teach(piece) for piece in pieces]

    film, doubling = Film(pieces, speakers, len(tracks)), doubling_prices(speakers, embeddings)

    def gain_of(of: Sequence[int]) -> np.ndarray:
        return decisions.steer(film.gain(of), speakers, of)

    names = decisions.track_names
    person_of, gain = merge_persons(group(tracks, names), gain_of, looks_alike(tracks, names), doubling)
    owner, _ = assign(gain, doubling)
    decisions.recognise(speakers, owner, person_of)
    belief = beliefs(gain, doubling)
    choices = [_choice(piece, belief[speakers.index(piece.turn.speaker)], person_of) for piece in pieces]
    _one_voice_a_face(pieces, choices, owner, speakers)
    most: dict[str, int] = defaultdict(int)
    for piece in pieces:
        most[piece.turn.id] = max(most[piece.turn.id], len(piece.frames))
    for piece, choice in zip(pieces, choices, strict=True):
        if len(piece.frames) < min(SPILL * rate, most[piece.turn.id]):
            choice.clear()
    assignments = tuple(
        decisions.apply(_assignment(piece, choice, tracks, settings), piece, CERTAIN)
        for piece, choice in zip(pieces, choices, strict=True)
    )
    characters = _characters(turns, tracks, speakers, owner, person_of, gain, decisions)
    return CastResult(characters, tuple(_explained(a, p, characters) for a, p in zip(assignments, pieces, strict=True)))


def _choice(piece: Piece, belief: np.ndarray, person_of: np.ndarray) -> dict[int, float]:
    """Log-posterior of every visible track, and of -1: off screen."""
    persons = len(belief) - 1
    own = likelihoods(piece.exclusive, person_of, persons)
    rest = belief - (own - own[-1])
    rest -= logsumexp(rest)
    visible = sorted({int(person_of[track]) for track in piece.evidence})
    elsewhere = np.setdiff1d(np.arange(persons + 1), visible)
    unknown = np.log(MISTAKE) - np.log(len(piece.evidence) + 1)
    choice = {-1: float(np.logaddexp(np.log(1 - MISTAKE) + logsumexp(rest[elsewhere]), unknown))}
    for track, value in piece.evidence.items():
        choice[track] = value + float(np.logaddexp(np.log(1 - MISTAKE) + rest[person_of[track]], unknown))
    return choice


def _one_voice_a_face(pieces: Sequence[Piece], choices: list[dict[int, float]], owner: np.ndarray, speakers) -> None:
    """Where lines overlap, two different voices cannot come out of one mouth: the best joint choice is enforced."""
    person = dict(zip(speakers, owner, strict=True))
    in_shot = defaultdict(list)
    for i, piece in enumerate(pieces):
        in_shot[piece.shot].append(i)
    for i, piece in enumerate(pieces):
        rivals = [j for j in in_shot[piece.shot] if j > i and piece.overlaps(pieces[j])
                  and pieces[j].turn.speaker != piece.turn.speaker
                  and not (person[piece.turn.speaker] == person[pieces[j].turn.speaker] >= 0)]  # fmt: skip
        group_ = [i, *rivals]
        best = [max(choices[j], key=choices[j].get) for j in group_]
        shown = [b for b in best if b >= 0]
        if len(shown) == len(set(shown)):
            continue
        columns = sorted({track for j in group_ for track in choices[j] if track >= 0})
        table = np.full((len(group_), len(columns) + len(group_)), -1e3)
        for row, j in enumerate(group_):
            table[row, len(columns) + row] = choices[j][-1]
            for track, value in choices[j].items():
                if track >= 0:
                    table[row, columns.index(track)] = value
        rows, chosen = linear_sum_assignment(-table)
        taken = {columns[c]: group_[r] for r, c in zip(rows, chosen, strict=True) if c < len(columns)}
        for j in group_:
            for track, winner in taken.items():
                if winner != j:
                    choices[j].pop(track, None)


def _assignment(
    piece: Piece, choice: dict[int, float], tracks: Sequence[FaceTrack], settings: CastSettings
) -> Assignment:
    if not choice:
        return Assignment(
            piece.turn.id, piece.shot, piece.frames, None, 0.0, -float(np.log(MISTAKE)), "off-screen", "auto", SPILLED
        )
    ranked = sorted(choice, key=choice.get, reverse=True)
    best = ranked[0]
    margin = choice[best] - choice[ranked[1]] if len(ranked) > 1 else -float(np.log(MISTAKE))
    state = "undecided" if margin < settings.min_margin else ("on-screen" if best >= 0 else "off-screen")
    track_id = tracks[best].id if state == "on-screen" else None
    if not piece.evidence:
        reason = "no face is visible"
    elif state == "undecided":
        names = [tracks[b].id if b >= 0 else "off screen" for b in ranked[:2]]
        reason = f"{names[0]} and {names[1]} are too close to call"
    elif best >= 0:
        reason = f"the lips of {track_id} fit (evidence {piece.evidence[best]:+.1f})"
    else:
        reason = "no visible face speaks these words"
    return Assignment(
        piece.turn.id, piece.shot, piece.frames, track_id, float(choice[best]), float(margin), state, "auto", reason
    )


def _characters(turns, tracks, speakers, owner, person_of, gain, decisions: Decisions) -> tuple[Character, ...]:
    """One character for each person who has a voice; voices that nobody in the picture owns stand alone."""
    seconds = defaultdict(float)
    for turn in turns:
        seconds[turn.speaker] += turn.segment.duration
    groups = defaultdict(list)
    for i, (speaker, person) in enumerate(zip(speakers, owner, strict=True)):
        named = decisions.character_of.get(speaker)
        key = ("named", named) if named else (("person", int(person)) if person >= 0 else ("voice", i))
        groups[key].append(i)
    characters, used = [], set()
    for key, voices in groups.items():
        voices.sort(key=lambda i: -seconds[speakers[i]])
        persons = {int(owner[i]) for i in voices if owner[i] >= 0}
        ids = [t.id for t, person in zip(tracks, person_of, strict=True) if int(person) in persons]
        named = (
            key[1] if key[0] == "named" else next((decisions.face_of[i] for i in ids if i in decisions.face_of), None)
        )
        name = named or speakers[voices[0]]
        characters.append(Character(name, tuple(speakers[i] for i in voices), tuple(ids)))
        used.add(name)
    for name in decisions.names:
        if name not in used:
            ids = tuple(i for i, character in decisions.face_of.items() if character == name)
            characters.append(Character(name, (), ids))
    characters.sort(key=lambda c: -sum(seconds[s] for s in c.speakers))
    return tuple(characters)


def _explained(assignment: Assignment, piece: Piece, characters: Sequence[Character]) -> Assignment:
    """Adds whose line it is to the reason."""
    name = next((c.name for c in characters if piece.turn.speaker in c.speakers), piece.turn.speaker)
    return replace(assignment, reason=f"{name}: {assignment.reason}")
