"""Human decisions turned into what the assignment can use. They always win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dubkit.cast.evidence import Piece
from dubkit.cast.solve import NEVER
from dubkit.errors import InputError
from dubkit.types import Assignment, FaceTrack, Lock, Turn

OFF_SCREEN = -1
BY_CHARACTER = -2


@dataclass(slots=True)
class Decisions:
    """What people have decided about this film."""

    tracks: Sequence[FaceTrack]
    line: dict[str, list[Lock]]  # turn id → locks on it
    character_of: dict[str, str]  # speaker → character
    face_of: dict[str, str]  # track id → character
    names: tuple[str, ...]  # characters in the order in which they were named
    seen_as: dict[str, set[int]] = field(default_factory=dict)  # character → tracks of that person, once they are known

    @property
    def track_names(self) -> list[str | None]:
        """The character of every track that a person has named, by index; None elsewhere."""
        return [self.face_of.get(track.id) for track in self.tracks]

    def steer(self, gain: np.ndarray, speakers: Sequence[str], tracks: Sequence[int]) -> np.ndarray:
        """A person's gains (speakers,) with named voices bound to named faces; ``tracks`` are the person's."""
        names = {self.face_of[self.tracks[i].id] for i in tracks if self.tracks[i].id in self.face_of}
        mine = [names & {self.character_of[s]} if s in self.character_of else set() for s in speakers]
        others = [names - {self.character_of[s]} if s in self.character_of else set() for s in speakers]
        return gain + NEVER * np.array([bool(m) for m in mine]) - NEVER * np.array([bool(o) for o in others])

    def recognise(self, speakers: Sequence[str], owner: Sequence[int], person_of: Sequence[int]) -> None:
        """Finds the faces of every character that a person has named by one of its faces or by its voice alone.

        ``owner``: person of each speaker, below 0 where nobody in the picture has the voice; ``person_of``: of each track.
        """
        persons: dict[str, set[int]] = {}
        for track, person in zip(self.tracks, person_of, strict=True):
            if track.id in self.face_of:
                persons.setdefault(self.face_of[track.id], set()).add(int(person))
        for speaker, person in zip(speakers, owner, strict=True):
            if speaker in self.character_of and person >= 0:
                persons.setdefault(self.character_of[speaker], set()).add(int(person))
        for name, mine in persons.items():
            self.seen_as[name] = {i for i, person in enumerate(person_of) if int(person) in mine}

    def choice(self, piece: Piece) -> int | None:
        """Track index or OFF_SCREEN that a person has decided for this piece; None where nobody has."""
        for lock in self.line.get(piece.turn.id, ()):
            if lock.off_screen:
                return OFF_SCREEN
            if lock.character is not None:
                shown = [i for i in piece.evidence if self.face_of.get(self.tracks[i].id) == lock.character]
                shown = shown or [i for i in piece.evidence if i in self.seen_as.get(lock.character, ())]
                return max(shown, key=lambda i: piece.evidence[i]) if shown else BY_CHARACTER
            track = find_track(lock, self.tracks)
            if track in piece.evidence:
                return track
        return None

    def teach(self, piece: Piece) -> Piece:
        """The piece as the rest of the film should learn from it."""
        choice = self.choice(piece)
        if choice is None or choice == BY_CHARACTER:
            return piece
        sure = {i: NEVER if i == choice else -NEVER for i in piece.evidence}
        return replace(piece, evidence=sure, exclusive=sure)

    def apply(self, assignment: Assignment, piece: Piece, certain: float) -> Assignment:
        """The assignment as the person wants it."""
        choice = self.choice(piece)
        if choice is None:
            return assignment
        track_id = self.tracks[choice].id if choice >= 0 else None
        state = "on-screen" if track_id else "off-screen"
        return replace(assignment, track_id=track_id, state=state, score=certain, margin=certain, source="human",
                       reason="decided by a person")  # fmt: skip


def decide(locks: Sequence[Lock], turns: Sequence[Turn], tracks: Sequence[FaceTrack]) -> Decisions:
    """Checks the locks against the film. Raises InputError for what does not exist."""
    by_id = {turn.id: turn for turn in turns}
    line: dict[str, list[Lock]] = {}
    character_of: dict[str, str] = {}
    face_of: dict[str, str] = {}
    names: list[str] = []
    for lock in locks:
        if lock.character and lock.character not in names:
            names.append(lock.character)
        if lock.turn_id is not None:
            if lock.turn_id not in by_id:
                raise InputError(
                    f"a lock names the turn '{lock.turn_id}', which does not exist; see the cast sheet for turn ids"
                )
            line.setdefault(lock.turn_id, []).append(lock)
        elif lock.segment is not None:
            for turn in turns:
                if names_turn(lock, turn):
                    line.setdefault(turn.id, []).append(lock)
        elif lock.speaker is not None:
            _say(character_of, lock.speaker, lock.character, "voice")
        else:
            _say(face_of, tracks[find_track(lock, tracks)].id, lock.character, "face")
        if lock.track_id or lock.face:
            find_track(lock, tracks)
    return Decisions(tracks, line, character_of, face_of, tuple(names))


def names_turn(lock: Lock, turn: Turn) -> bool:
    """Whether the lock is about this line: by its id, or it lies mostly inside the lock's time span."""
    if lock.segment is None:
        return lock.turn_id == turn.id
    inside = turn.segment.overlap(lock.segment) * 2 > turn.segment.duration
    return inside and lock.speaker in (None, turn.speaker)


def find_track(lock: Lock, tracks: Sequence[FaceTrack]) -> int:
    """Index of the track that a lock names. Raises InputError."""
    if lock.track_id is not None:
        for i, track in enumerate(tracks):
            if track.id == lock.track_id:
                return i
        raise InputError(
            f"a lock names the face track '{lock.track_id}', which does not exist; see the cast sheet for tracks"
        )
    frame, x, y = lock.face
    hits = []
    for i, track in enumerate(tracks):
        if frame in track.range:
            x0, y0, x1, y1 = track.boxes[frame - track.range.start]
            if x0 <= x < x1 and y0 <= y < y1:
                hits.append((np.hypot(x - (x0 + x1) / 2, y - (y0 + y1) / 2), i))
    if not hits:
        raise InputError(
            f"a lock names the face at frame {frame}, x {x:g}, y {y:g}, but no face track covers that point"
        )
    return min(hits)[1]


def _say(table: dict[str, str], key: str, character: str, what: str) -> None:
    if table.setdefault(key, character) != character:
        raise InputError(f"two locks give the {what} '{key}' to '{table[key]}' and to '{character}'; keep one of them")
