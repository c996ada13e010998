"""The cast on one page: every character with faces, lines and confidence; every line that a person should look at.

Written as HTML (one file, no outside resources) and as PNG (for a chat window or an editor without a browser).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from dubkit.cast.match import SPILLED, CastResult
from dubkit.files import atomic_write
from dubkit.pieces import NOTHING_KEPT, Pieces
from dubkit.process import as_typed
from dubkit.timing import Timecode, seconds_at
from dubkit.types import Assignment, Character, FaceTrack, FrameRange, Line, Turn

THUMB = 128  # pixels
FACES = 8  # thumbnails of a character
CERTAIN = 99.0

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --warn: #c60; --good: #2a7; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
p.sub { margin-top: 0; opacity: .7; } code { background: var(--soft); padding: .05rem .3rem; border-radius: .2rem; }
.faces { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0; }
figure { margin: 0; } figure img { display: block; width: 104px; height: 104px; border-radius: .4rem; background: var(--soft); }
figcaption { font-size: .75rem; opacity: .75; text-align: center; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
th { font-weight: 600; border-bottom: 2px solid var(--line); } tr + tr td { border-top: 1px solid var(--soft); }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; } .undecided { color: var(--warn); font-weight: 600; }
.off-screen { opacity: .7; } .bar { display: inline-block; width: 5rem; height: .6rem; background: var(--soft); border-radius: .3rem; }
.bar i { display: block; height: 100%; background: var(--good); border-radius: .3rem; } .low i { background: var(--warn); }
details summary { cursor: pointer; margin: .3rem 0; }
"""


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """A small picture of a track's best frame."""

    track_id: str
    frame: int
    picture: np.ndarray  # (THUMB, THUMB, 3) RGB uint8

    @property
    def jpeg(self) -> str:
        """As a data URI."""
        done, data = cv2.imencode(".jpg", self.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
        if not done:
            raise ValueError("OpenCV could not write a JPEG")
        return "data:image/jpeg;base64," + b64encode(data.tobytes()).decode()


def write_cast_sheet(
    folder: Path,
    reader,
    turns: Sequence[Turn],
    lines: Sequence[Line],
    tracks: Sequence[FaceTrack],
    result: CastResult,
    kept: Pieces = NOTHING_KEPT,
) -> list[Path]:
    """Writes ``cast.html`` and ``cast.png`` into ``folder`` and returns their paths.

    Reads only the frames that it shows, and of those only what is not among the ``kept`` pictures of a killed run. Faces that speak come first; faces without a voice are listed at the end.
    """
    by_id = {track.id: track for track in tracks}
    shown = {c.name: _chosen(c, result, by_id) for c in result.characters}
    voiced = {i for c in result.characters for i in c.track_ids}
    silent = [t.id for t in sorted(tracks, key=lambda t: -len(t.frames)) if t.id not in voiced][:FACES]
    candidates = _candidates(result.undecided, tracks)
    wanted = {i for ids in shown.values() for i in ids} | set(silent) | {i for ids in candidates.values() for i in ids}
    thumbs = thumbnails(reader, [by_id[i] for i in sorted(wanted)], kept)
    store = folder.parent.name  # film.dubkit, beside film.dub.toml
    project = store.removesuffix(".dubkit") + ".dub.toml" if store.endswith(".dubkit") else "PROJECT.dub.toml"
    page = _page(reader, turns, lines, result, shown, silent, candidates, thumbs, project)
    html, png = folder / "cast.html", folder / "cast.png"
    atomic_write(html, page.encode())
    done, data = cv2.imencode(".png", _picture(result, shown, candidates, thumbs, turns, lines)[..., ::-1])
    if not done:
        raise ValueError("OpenCV could not write a PNG")
    atomic_write(png, data.tobytes())
    return [html, png]


def thumbnails(reader, tracks: Sequence[FaceTrack], kept: Pieces = NOTHING_KEPT) -> dict[str, Thumbnail]:
    """The best frame of each track: surest, and large."""

    def picture(frame: int, box: tuple[int, int, int, int], side: int) -> np.ndarray:
        large = next(iter(reader.read(FrameRange(frame, frame + 1)))).rgb(box)
        return cv2.resize(large, (THUMB, THUMB), interpolation=cv2.INTER_AREA if side > THUMB else cv2.INTER_CUBIC)

    found = {}
    width, height = reader.media.video.display_size
    for track in sorted(tracks, key=lambda t: t.range.start):
        size = track.boxes[:, 3] - track.boxes[:, 1]
        row = int(np.argmax(track.scores + 0.1 * size / max(1.0, float(size.max()))))
        frame = int(track.frames[row])
        x0, y0, x1, y1 = track.boxes[row]
        side = int(min(1.7 * max(x1 - x0, y1 - y0), width, height))
        if side < 2:
            continue
        left = int(np.clip((x0 + x1 - side) / 2, 0, width - side))
        top = int(np.clip((y0 + y1 - side) / 2, 0, height - side))
        box = left, top, left + side, top + side
        small = kept(f"picture of {track.id}", lambda frame=frame, box=box, side=side: picture(frame, box, side))
        found[track.id] = Thumbnail(track.id, frame, small)
    return found


def _chosen(character: Character, result: CastResult, by_id: dict[str, FaceTrack]) -> list[str]:
    """Tracks of a character to show: those that speak longest first."""
    spoken = {i: 0 for i in character.track_ids if i in by_id}
    for a in result.assignments:
        if a.track_id in spoken:
            spoken[a.track_id] += len(a.frames)
    return sorted(spoken, key=lambda i: (-spoken[i], -len(by_id[i].frames)))[:FACES]


def _candidates(undecided: Sequence[Assignment], tracks: Sequence[FaceTrack]) -> dict[tuple[str, int], list[str]]:
    """(turn, shot) → faces that are visible while the undecided line runs."""
    return {
        (a.turn_id, a.shot): [t.id for t in tracks if t.shot == a.shot and len(t.range & a.frames)][:6]
        for a in undecided
    }


def _text_of(lines: Sequence[Line]) -> dict[str, str]:
    text: dict[str, str] = {}
    for line in lines:
        text[line.turn_id] = f"{text[line.turn_id]} {line.text}" if line.turn_id in text else line.text
    return text


def _page(reader, turns, lines, result: CastResult, shown, silent, candidates, thumbs, project: str) -> str:
    rate, text, turn_of = reader.media.video.rate, _text_of(lines), {t.id: t for t in turns}
    start = Timecode.parse(reader.media.timecode, rate) if reader.media.timecode else Timecode(0, rate)

    def clock(frame: int) -> str:
        return str(Timecode(start.frame + frame, rate, start.drop))

    def figure(track_id: str) -> str:
        if track_id not in thumbs:
            return ""
        thumb = thumbs[track_id]
        return (
            f'<figure><img src="{thumb.jpeg}" alt="face {escape(track_id)}"><figcaption>{escape(track_id)}<br>'
            f"{seconds_at(thumb.frame, rate):.1f} s</figcaption></figure>"
        )

    def row(a: Assignment) -> str:
        sure = min(1.0, a.margin / 8)
        low = " low" if a.margin < 2 else ""
        return (
            f'<tr class="{a.state}"><td class="n">{escape(a.turn_id)}</td>'
            f'<td class="n" title="{seconds_at(a.frames.start, rate):.2f} to {seconds_at(a.frames.stop, rate):.2f} s">'
            f"{clock(a.frames.start)}<br>{clock(a.frames.stop)}</td>"
            f"<td>{escape(text.get(a.turn_id, ''))}</td>"
            f'<td>{escape(a.state)} <code>{escape(a.track_id or "")}</code></td><td class="n" title="margin {a.margin:.1f}">'
            f'<span class="bar{low}"><i style="width:{100 * max(0.0, sure):.0f}%"></i></span> '
            f"{'human' if a.source == 'human' else f'{a.margin:.1f}'}</td>"
            f"<td>{escape(a.reason.partition(': ')[2] or a.reason)}</td></tr>"
        ).replace(" <code></code>", "")

    head = "<tr><th>line</th><th>in, out</th><th>text</th><th>face</th><th>margin</th><th>why</th></tr>"
    parts = [f"<h1>The cast of {escape(reader.media.path.name)}</h1>"]
    count = len(result.undecided)
    parts.append(
        f'<p class="sub">{len(result.characters)} characters, {len(turns)} turns, '
        f"{count or 'no'} undecided line{'' if count == 1 else 's'}. The margin is in nats: 1 is 2.7 to 1, 5 is 150 to 1.</p>"
    )
    parts.append("<h2>Undecided: only the sound is dubbed until you decide</h2>")
    for a in result.undecided:
        faces = "".join(figure(i) for i in candidates[a.turn_id, a.shot])
        answers = [*candidates[a.turn_id, a.shot], "off"]
        words = "\n".join(as_typed("dubkit", "cast", project, "--line", f"{a.turn_id}={who}") for who in answers)
        parts.append(
            f'<table>{head}{row(a)}</table><div class="faces">{faces}</div><pre><code>{escape(words)}</code></pre>'
        )
    if not count:
        parts.append("<p>None.</p>")
    for c in result.characters:
        mine = [a for a in result.assignments if turn_of[a.turn_id].speaker in c.speakers and SPILLED not in a.reason]
        seconds = sum(t.segment.duration for t in turns if t.speaker in c.speakers)
        voices = ", ".join(f"<code>{escape(s)}</code>" for s in c.speakers) or "none"
        faces = "".join(figure(i) for i in shown[c.name]) or "<p>never seen</p>"
        parts.append(
            f'<h2>{escape(c.name)}</h2><p class="sub">voice {voices}; {seconds:.1f} s of speech; {len(c.track_ids)} face '
            f'tracks{_unnamed(c, project)}</p><div class="faces">{faces}</div><details open><summary>{len(mine)} line{"" if len(mine) == 1 else "s"}</summary>'
            f"<table>{head}{''.join(row(a) for a in mine)}</table></details>"
        )
    if silent:
        parts.append(f'<h2>Faces without a voice</h2><div class="faces">{"".join(figure(i) for i in silent)}</div>')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Cast of {escape(reader.media.path.name)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _unnamed(character: Character, project: str) -> str:
    """How to give a name to somebody who still has the diarizer's."""
    if character.name not in character.speakers:
        return ""
    return f"; to name: <code>{escape(as_typed('dubkit', 'cast', project, '--name', f'{character.name}=NAME'))}</code>"


def _picture(result: CastResult, shown, candidates, thumbs, turns, lines) -> np.ndarray:
    """The same as one RGB picture: a row for each character, then for each undecided line."""
    turn_of = {t.id: t for t in turns}
    rows = []
    for c in result.characters:
        mine = [a for a in result.assignments if turn_of[a.turn_id].speaker in c.speakers and SPILLED not in a.reason]
        on = sum(a.state == "on-screen" for a in mine)
        off = sum(a.state == "off-screen" for a in mine)
        sure = [a.margin for a in mine if a.margin < CERTAIN]
        least = f"least margin {min(sure):.1f}" if sure else ""
        caption = [c.name, "voice " + ", ".join(c.speakers), f"{on} on screen, {off} off screen", least]
        rows.append(_row(caption, [thumbs[i] for i in shown[c.name] if i in thumbs], (235, 240, 245)))
    for a in result.undecided:
        turn = turn_of[a.turn_id]
        caption = [
            "undecided",
            f"{a.turn_id}, {turn.speaker}",
            f"{turn.segment.start:.1f} to {turn.segment.end:.1f} s",
            f"margin {a.margin:.1f}",
        ]
        rows.append(_row(caption, [thumbs[i] for i in candidates[a.turn_id, a.shot] if i in thumbs], (250, 230, 210)))
    return np.vstack(rows) if rows else _row(["no voices, no cast"], [], (235, 240, 245))


def _row(caption: Sequence[str], faces: Sequence[Thumbnail], colour: tuple[int, int, int]) -> np.ndarray:
    row = np.full((THUMB + 36, 280 + FACES * (THUMB + 8), 3), colour, np.uint8)
    for i, text in enumerate(caption):
        plain = text.encode("ascii", "replace").decode()
        cv2.putText(
            row,
            plain[:32],
            (12, 34 + 30 * i),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.75 if i == 0 else 0.5,
            (30, 30, 30),
            1,
            cv2.LINE_AA,
        )
    for i, thumb in enumerate(faces[:FACES]):
        x = 280 + i * (THUMB + 8)
        row[8 : 8 + THUMB, x : x + THUMB] = thumb.picture
        cv2.putText(row, thumb.track_id, (x, THUMB + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (90, 90, 90), 1, cv2.LINE_AA)
    row[-1] = (200, 200, 200)
    return row
