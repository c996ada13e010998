"""How a transcript becomes subtitles that can be read: lines of 42 characters, two at once, 17 characters a second.

The rules are those of the large distributors' timed-text style guides and are settings (``speech.line_length``,
``max_lines``, ``reading_speed``). A long line becomes several cues, cut at the end of a sentence, a clause or a word, in
step with the words as spoken; a cue too short to be read borrows from the pause after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from dubkit.settings import SpeechSettings
from dubkit.speech.cues import Cue
from dubkit.types import Line, Segment

SHORTEST = 5 / 6  # seconds on screen: 20 frames at 24 a second
GAP = 2 / 25  # seconds between two cues: two frames


def lay_out(lines: Sequence[Line], settings: SpeechSettings) -> tuple[Cue, ...]:
    """Cues of the lines that have text, "speaker: text", wrapped and timed."""
    cues: list[Cue] = []
    for line in sorted((line for line in lines if line.text), key=lambda line: line.segment):
        room = settings.line_length * settings.max_lines
        for segment, text in _pieces(line, room - len(line.speaker) - 2):
            wrapped = wrap(f"{line.speaker}: {text}", settings.line_length)
            cues.append(Cue(len(cues) + 1, segment, wrapped, line.speaker, line.id))
    return tuple(_readable(cue, after, settings) for cue, after in zip(cues, [*cues[1:], None], strict=False))


def unreadable(cues: Sequence[Cue], settings: SpeechSettings, name: str) -> tuple[str, ...]:
    """A sentence for each rule that some cues of the file ``name`` break, with their numbers."""

    def told(broken: list[str], what: str) -> list[str]:
        more = ", …" if len(broken) > 12 else ""
        return [f"{name}: {len(broken)} of {len(cues)} cues {what}: {', '.join(broken[:12])}{more}"] if broken else []

    fast, tall, wide = [], [], []
    for cue in cues:
        lines = cue.text.split("\n")
        speed = len(cue.text) / max(cue.segment.duration, 1e-3)
        if round(speed, 1) > settings.reading_speed:
            fast.append(f"{cue.number} ({speed:.0f})")
        if len(lines) > settings.max_lines:
            tall.append(f"{cue.number} ({len(lines)})")
        if (longest := max(map(len, lines))) > settings.line_length:
            wide.append(f"{cue.number} ({longest})")
    return (
        *told(fast, f"are faster than {settings.reading_speed:g} characters a second (speech.reading_speed)"),
        *told(tall, f"have more than {settings.max_lines} lines (speech.max_lines)"),
        *told(wide, f"have lines of more than {settings.line_length} characters (speech.line_length)"),
    )


def wrap(text: str, length: int) -> str:
    """The text on as few lines as it needs, of about the same width. Breaks at spaces; where there are none, anywhere."""
    words = text.split(" ") if " " in text or len(text) <= length else [text]
    words = [piece for word in words for piece in ([word[i : i + length] for i in range(0, len(word), length)] or [""])]
    fewest = _fill(words, length)
    width = length
    while width > 1 and len(_fill(words, width - 1)) == len(fewest) and max(map(len, _fill(words, width - 1))) < width:
        width -= 1
    return "\n".join(_fill(words, width))


def _fill(words: Sequence[str], width: int) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def _pieces(line: Line, room: int) -> list[tuple[Segment, str]]:
    """The line's text in pieces of at most ``room`` characters, each with its own time."""
    texts = _cut(line.text, max(room, 10))
    if len(texts) == 1:
        return [(line.segment, texts[0])]
    total, done, pieces, start = sum(map(len, texts)), 0, [], line.segment.start
    for i, text in enumerate(texts):
        done += len(text)
        end = line.segment.end if i == len(texts) - 1 else _time_of(line, done / total)
        pieces.append((Segment(start, max(start, end)), text))
        start = max(start, end)
    return pieces


def _time_of(line: Line, share: float) -> float:
    """When that share of the line's letters has been said: by its words, or evenly where it has none."""
    letters, wanted = 0, share * sum(len(word.text) for word in line.words)
    for word in line.words:
        letters += len(word.text)
        if letters >= wanted:
            return min(max(word.segment.end, line.segment.start), line.segment.end)
    return line.segment.start + share * line.segment.duration


def _cut(text: str, room: int) -> list[str]:
    """Pieces of at most ``room`` characters, cut as late as possible at a sentence, else a clause, else a word."""
    pieces, rest = [], " ".join(text.split())
    while len(rest) > room:
        head = rest[: room + 1]
        ends = [[m.end() for m in re.finditer(pattern, head)] for pattern in (r"[.!?…]\s", r"[,;:–—]\s", r"\s")]
        at = next((e[-1] for e in ends if e and e[-1] >= room // 2), next((e[-1] for e in ends if e), room))
        pieces.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [*pieces, rest]


def _readable(cue: Cue, after: Cue | None, settings: SpeechSettings) -> Cue:
    needed = max(SHORTEST, len(cue.text.replace("\n", " ")) / settings.reading_speed)
    end = cue.segment.end
    if cue.segment.duration < needed:
        latest = after.segment.start - GAP if after else cue.segment.start + needed
        end = max(end, min(cue.segment.start + needed, latest))
    return replace(cue, segment=Segment(cue.segment.start, end))
