"""A person's decisions about the cast, written into the project file as [[cast]] and [[lock]] with its comments kept.

A face is written down as a point of the film, ``[frame, x, y]``, not by its track's name: names change when faces are
followed again with other settings, the film does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import tomlkit

from dubkit.errors import InputError
from dubkit.project.schema import ProjectFile
from dubkit.types import FaceTrack, Turn

OFF = "off"


def name_voice(project: ProjectFile, speaker: str, character: str, turns: Sequence[Turn]) -> ProjectFile:
    """The voice is this character's: it moves to the character's [[cast]] table, which is made where there is none."""
    _known("voice", speaker, {turn.speaker for turn in turns})

    def change(document: tomlkit.TOMLDocument) -> None:
        members = _tables(document, "cast")
        for member in members:
            if speaker in member.get("speakers", ()):
                member["speakers"] = [voice for voice in member["speakers"] if voice != speaker]
        mine = next((member for member in members if member["name"] == character), None)
        if mine is None:
            mine = tomlkit.table()
            mine["name"] = character
            members.append(mine)
        mine["speakers"] = [*mine.get("speakers", ()), speaker]

    return project.edit(change)


def name_face(project: ProjectFile, face: str, character: str, tracks: Sequence[FaceTrack]) -> ProjectFile:
    """The face, named as the cast sheet names it, is this character's."""
    point, track = _point(face, tracks), _track(face, tracks)

    def change(document: tomlkit.TOMLDocument) -> None:
        locks = _tables(document, "lock")
        _drop(locks, lambda lock: "turn" not in lock and "start" not in lock and _shows(lock.get("face"), track))
        locks.append(_table(face=point, character=character, note=f"was {face}"))

    return project.edit(change)


def decide_line(
    project: ProjectFile, turn: str, who: str, turns: Sequence[Turn], tracks: Sequence[FaceTrack]
) -> ProjectFile:
    """The line is spoken by ``who``: a face of the cast sheet, a character, or nobody in the picture ("off")."""
    _known("line", turn, {t.id for t in turns})
    characters = {member.name for member in project.project.cast}
    characters |= {entry.character for entry in project.project.lock if entry.character}
    if who == OFF:
        answer = {"off_screen": True}
    elif who in characters:
        answer = {"character": who}
    else:
        _known("face, character, or 'off'", who, {t.id for t in tracks} | characters)
        answer = {"face": _point(who, tracks), "note": f"was {who}"}

    def change(document: tomlkit.TOMLDocument) -> None:
        locks = _tables(document, "lock")
        _drop(locks, lambda lock: lock.get("turn") == turn)
        locks.append(_table(turn=turn, **answer))

    return project.edit(change)


def forget_line(project: ProjectFile, turn: str) -> ProjectFile:
    """Takes back what was decided about a line. Raises InputError where nothing was."""
    _known("line with a decision", turn, {entry.turn for entry in project.project.lock if entry.turn})
    return project.edit(lambda document: _drop(_tables(document, "lock"), lambda lock: lock.get("turn") == turn))


def _tables(document: tomlkit.TOMLDocument, key: str):
    """The [[key]] tables, a live list; made at the end of the file where there are none, or only ``key = [{…}]``."""
    if not isinstance(document.get(key), tomlkit.items.AoT):
        tables = tomlkit.aot()
        for entry in document.pop(key, ()):
            tables.append(_table(**entry))
        document[key] = tables
    return document[key]


def _table(**values) -> tomlkit.items.Table:
    table = tomlkit.table()
    table.update(values)
    return table


def _drop(tables, gone) -> None:
    for i in reversed(range(len(tables))):
        if gone(tables[i]):
            del tables[i]


def _track(face: str, tracks: Sequence[FaceTrack]) -> FaceTrack:
    _known("face", face, {track.id for track in tracks})
    return next(track for track in tracks if track.id == face)


def _point(face: str, tracks: Sequence[FaceTrack]) -> list[float]:
    """[frame, x, y]: the middle of the face where the detector was surest of it."""
    track = _track(face, tracks)
    row = int(track.scores.argmax())
    x0, y0, x1, y1 = (float(value) for value in track.boxes[row])
    return [int(track.frames[row]), round((x0 + x1) / 2, 1), round((y0 + y1) / 2, 1)]


def _shows(face, track: FaceTrack) -> bool:
    """Whether a lock's face, a name or a point, is this track."""
    if face is None or isinstance(face, str):
        return face == track.id
    frame, x, y = face
    if frame not in track.range:
        return False
    x0, y0, x1, y1 = track.boxes[int(frame) - track.range.start]
    return bool(x0 <= x < x1 and y0 <= y < y1)


def _known(what: str, name: str, names: set[str]) -> None:
    if name not in names:
        close = get_close_matches(name, sorted(names), n=1)
        hint = f"did you mean '{close[0]}'?" if close else "the cast sheet shows them all"
        raise InputError(f"there is no {what} '{name}'; {hint}")
