"""What is true about the demo film, written down so that tests can measure: turns, shots, faces, texts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dubkit.demo.puppet import HEIGHT, WIDTH
from dubkit.demo.scenes import FaceSeen
from dubkit.demo.script import DUB_LANGUAGE, LANGUAGE, SCENES
from dubkit.demo.sound import FPS, RATE, Soundtrack, Spoken

Faces = Sequence[Sequence[FaceSeen]]  # for each frame, the faces in it


def truth(soundtrack: Soundtrack, faces: Faces) -> str:
    """JSON: ``shots`` (frames, who is seen, the box around each face over the shot), ``turns`` (who, when, in which
    shot, in which ``region`` of the frame; null where the speaker is not seen), ``boxes`` (each frame's faces)."""
    shots = []
    for scene, shot in zip(SCENES, soundtrack.shots, strict=True):
        seen = {name: [f.box for n in shot for f in faces[n] if f.role == name] for name in scene.faces}
        around = {name: _around(boxes) for name, boxes in seen.items()}
        shots.append({"frames": [shot.start, shot.stop], "faces": list(scene.faces), "boxes": around})
    turns = [
        {
            "speaker": line.cue.role,
            "start": round(line.segment.start, 3),
            "end": round(line.segment.end, 3),
            "shot": line.scene,
            "region": _region(line),
            "text": line.cue.text,
            "dub": line.cue.dub,
            "dub_end": round(line.segment.start + len(line.dub) / RATE, 3),
        }
        for line in soundtrack.spoken
    ]
    boxes = [{f.role: [round(v, 1) for v in f.box] for f in seen} for seen in faces]
    head = {"rate": f"{FPS}/1", "num_frames": len(faces), "size": [WIDTH, HEIGHT]}
    return json.dumps(head | {"languages": [LANGUAGE, DUB_LANGUAGE], "shots": shots, "turns": turns, "boxes": boxes})


def rttm(soundtrack: Soundtrack, name: str) -> str:
    """One SPEAKER line a turn (NIST RTTM)."""
    return "".join(
        f"SPEAKER {name} 1 {line.segment.start:.3f} {line.segment.duration:.3f} <NA> <NA> {line.cue.role} <NA> <NA>\n"
        for line in soundtrack.spoken
    )


def subtitles(soundtrack: Soundtrack, *, dub: bool) -> str:
    """SubRip, each cue as ``NAME: text``."""
    blocks = []
    for i, line in enumerate(soundtrack.spoken, 1):
        span = f"{_stamp(line.segment.start)} --> {_stamp(line.segment.end)}"
        blocks.append(f"{i}\n{span}\n{line.cue.role}: {line.cue.dub if dub else line.cue.text}\n")
    return "\n".join(blocks)


def _region(line: Spoken) -> list[int] | None:
    faces = SCENES[line.scene].faces
    if line.cue.role not in faces:
        return None
    i, n = faces.index(line.cue.role), len(faces)
    return [WIDTH * i // n, 0, WIDTH * (i + 1) // n, HEIGHT]


def _around(boxes: list[tuple[float, ...]]) -> list[int]:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return [round(min(x0)), round(min(y0)), round(max(x1)), round(max(y1))]


def _stamp(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"00:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"
