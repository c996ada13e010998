"""A timeline in, the same timeline with the dub on tracks of its own out.

Everything that decides the result is hashed into a *key*. Work lies under ``folder/<key>``; its record is written last, so a
second run with the same key does no work, and a killed one goes on from the last finished reel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from filelock import FileLock

import dubkit
from dubkit.digest import file_digest, value_digest
from dubkit.errors import InputError
from dubkit.files import atomic_write
from dubkit.nle import conform
from dubkit.nle.dubber import Dubbed, Dubber, DubRequest, LineNote
from dubkit.nle.plugins import format_for
from dubkit.nle.reel import Piece, Reel, plan
from dubkit.nle.result import Placement, markers_for, placements, refusal_markers, with_dub
from dubkit.nle.script import Script, dialogue_for, dub_track, piece_sound, subtitles_for
from dubkit.nle.sound import write_wav
from dubkit.nle.timeline import Clip, Marker, MediaFacts, Timeline, TimelineError
from dubkit.nle.uses import Refusal, Scope, visible
from dubkit.progress import Progress, silent
from dubkit.project.layers import is_preset_file, load_preset
from dubkit.project.schema import SUFFIX
from dubkit.types import FrameRange

SCHEMA = "dubkit.nle/2"


@dataclass(frozen=True, slots=True)
class Order:
    """What an editor asks for."""

    language: str  # ISO 639-1, of the dub
    script: Script
    source_language: str = "en"
    preset: str | None = None
    handles: int = 12  # frames before and after each use, for trimming
    scope: tuple[Scope, ...] = ()  # empty: the whole timeline

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*", self.language):
            raise InputError(f"'{self.language}' is not a language code; write it like es, fr or pt-BR")
        if self.handles < 0:
            raise InputError(f"handles are frames kept for trimming, 0 or more, got {self.handles}")


@dataclass(frozen=True, slots=True)
class DubResult:
    """The dub of a timeline, before it is put anywhere."""

    timeline: Timeline  # with the dub
    key: str
    placed: tuple[Placement, ...]
    markers: tuple[Marker, ...]
    refusals: tuple[Refusal, ...]
    folder: Path
    fresh: bool  # False: a finished result was found, no work was done
    losses: tuple[str, ...] = ()  # what the file format could not carry
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be dubbed, decided before any work."""

    key: str
    reels: tuple[Reel, ...]
    refusals: tuple[Refusal, ...]
    silent: frozenset[Path]  # media without sound of their own


def dub_file(
    source: Path,
    output: Path,
    order: Order,
    dubber: Dubber,
    *,
    rate: Fraction | None = None,
    folder: Path | None = None,
    progress: Progress = silent,
) -> DubResult:
    """``dubkit nle dub``: reads ``source``, dubs what it uses, writes ``output``; formats by suffix.

    ``rate``: for formats that do not say theirs (EDL). ``folder``: where dubbed media go; none: ``<output>_dub`` beside the
    output. The source is never written. Raises DubkitError.
    """
    source, output = Path(source).resolve(), Path(output).resolve()
    if source == output:
        raise InputError(f"the output would overwrite {source}; choose another name")
    reader, writer = format_for(source), format_for(output)
    timeline = reader.read(source, rate=rate)
    result = dub_timeline(timeline, order, folder or output.with_name(output.stem + "_dub"), dubber, progress)
    losses = writer.write(result.timeline, output, like=source if reader.name == writer.name else None)
    return replace(result, losses=tuple(losses), output=output)


def dub_timeline(
    timeline: Timeline,
    order: Order,
    folder: Path,
    dubber: Dubber,
    progress: Progress = silent,
    digest: Callable[[Path], str] = file_digest,
) -> DubResult:
    """Dubs what the timeline uses. ``progress`` counts reel frames twice: cutting, then dubbing. Raises DubkitError.

    ``digest`` names the content of media; another than the file's where a container changes while its pictures do not.
    """
    timeline = timeline.without_ours()
    decided = plan_dub(timeline, order, digest, dubber.flags)
    home = folder.resolve() / decided.key
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(str(home / ".lock")):
        record = home / "result.json"
        stored = _stored(record)
        fresh = stored is None
        if stored is None:
            stored = _work(timeline, order, decided, home, dubber, progress)
            atomic_write(record, json.dumps(stored, indent=1).encode())
    files = {name: home / item["file"] for name, item in stored["pieces"].items()}
    facts = {name: _facts(item) for name, item in stored["pieces"].items()}
    placed = placements(decided.reels, files, facts)
    markers = [
        Marker(FrameRange(*m["record"]), m["name"], m["note"], m["color"], added=True) for m in stored["markers"]
    ]
    with_it = with_dub(timeline, placed, markers, order.language, decided.key)
    return DubResult(with_it, decided.key, tuple(placed), tuple(markers), decided.refusals, home, fresh)


def plan_dub(
    timeline: Timeline,
    order: Order,
    digest: Callable[[Path], str] = file_digest,
    flags: Mapping[str, Any] = {},
) -> Plan:
    """Reels, refusals and key. Raises TimelineError where nothing remains to dub, MediaError for unreadable media."""
    timeline = timeline.without_ours()
    uses, refusals = visible(timeline, order.scope)
    infos = {}

    def inspect(path: Path):
        if not path.is_file():
            raise TimelineError(
                f"the timeline uses {path}, which is not there; relink it in the editor and export again"
            )
        return infos.setdefault(path, conform.inspect(path))

    reels, short = plan(uses, timeline.rate, order.handles, inspect)
    refusals = sorted([*refusals, *short], key=lambda refused: refused.record)
    if not reels:
        reasons = "; ".join(f"'{r.name}' at {timeline.timecode(r.record.start)}: {r.reason}" for r in refusals[:5])
        raise TimelineError(f"nothing on the timeline '{timeline.name}' can be dubbed. {reasons}")
    script = order.script
    dub = [str(script.time)]
    if script.track is not None:
        for clip in dub_track(timeline, script.track).clips:
            if clip.media is None or not clip.media.is_file():
                raise TimelineError(
                    f"the dialogue clip '{clip.name}' on track '{script.track}' has no media that can be read"
                )
            dub.append([clip.record, file_digest(clip.media, whole=True), clip.source_start, clip.speed, clip.enabled])
    else:
        path = script.dialogue or script.subtitles
        if not path.is_file():
            raise InputError(f"the dub {path} is not there")
        dub.append(file_digest(path, whole=True))
    digests = {path: digest(path) for path in infos}
    pieces = [
        [digests[p.media], p.speed, p.source_start, p.at, p.length, [use.record for use in p.uses]]
        for reel in reels
        for p in reel.pieces
    ]
    silent_media = frozenset(path for path, info in infos.items() if info.channels == 0)
    sound = _sound_witness(timeline, script) if silent_media else None
    wanted = [
        SCHEMA,
        dubkit.__version__,
        timeline.rate,
        order.language,
        order.source_language,
        order.preset,
        dub,
        pieces,
        sound,
        *_told(order.preset, flags),
    ]
    key = value_digest([*wanted, [asdict(refused) for refused in refusals]])
    return Plan(key, tuple(reels), tuple(refusals), silent_media)


def _told(preset: str | None, flags: Mapping[str, Any]) -> list[object]:
    """What settings add to the key: a preset of one's own by its content."""
    own = [load_preset(preset)] if preset and is_preset_file(preset) else []
    return [*own, *([{key: str(value) for key, value in flags.items()}] if flags else [])]


def _sound_witness(timeline: Timeline, script: Script) -> list[object]:
    """What the timeline plays under silent media decides the reel's sound, so it belongs into the key."""

    def sound(clip: Clip) -> str:
        return file_digest(clip.media, whole=True) if clip.media and clip.media.is_file() else str(clip.media)

    return [
        [track.enabled, clip.record, sound(clip), clip.source_start, clip.speed, clip.enabled]
        for track in timeline.of_kind("audio")
        if track.name.casefold() != (script.track or "").casefold()
        for clip in track.clips
    ]


def _work(timeline: Timeline, order: Order, decided: Plan, home: Path, dubber: Dubber, progress: Progress) -> dict:
    pieces, markers = {}, refusal_markers(decided.refusals)
    total = 2 * sum(reel.length for reel in decided.reels)
    done = 0
    for number, reel in enumerate(decided.reels):
        folder = home / f"reel_{number}"
        before = done
        dubbed, notes = _dub_reel(
            timeline, order, reel, decided.silent, folder, dubber, lambda frames, b=before: progress(b + frames, total)
        )
        names = {piece.name: home / _file_name(piece, decided.key) for piece in reel.pieces}
        facts = conform.cut(dubbed.film, reel, names)
        for name, path in names.items():
            pieces[name] = {"file": path.name, "size": path.stat().st_size, "facts": _plain(facts[name])}
        markers += markers_for(reel, (*dubbed.notes, *notes))
        done += 2 * reel.length
        progress(done, total)
    stored = [
        {"record": [m.record.start, m.record.stop], "name": m.name, "note": m.note, "color": m.color} for m in markers
    ]
    return {"schema": SCHEMA, "pieces": pieces, "markers": stored, "projects": _projects(home)}


def _dub_reel(
    timeline, order, reel: Reel, silent_media, folder: Path, dubber, progress
) -> tuple[Dubbed, list[LineNote]]:
    """Cuts one reel (unless it is there) and dubs it; also gives the notes about lines that cuts shorten."""
    film, script, notes = folder / "reel.mp4", order.script, []
    if not film.is_file():
        channels = max(2, max((conform.inspect(p.media).channels for p in reel.pieces), default=2))
        channels = next((c for c in (2, 6, 8) if c >= channels), 8)

        def sound(piece: Piece):
            return piece_sound(piece, reel.rate, channels, timeline, piece.media in silent_media, script)

        conform.write_reel(reel, film, channels, sound, lambda d, t: progress(d))
    progress(reel.length)
    dialogue = subtitles = None
    if script.subtitles is not None:
        subtitles = folder / "lines.srt"
        cues, problems = subtitles_for(reel, script)
        atomic_write(subtitles, cues.to_string("srt").encode("utf-8"))
        by_text = {cue.plaintext: cue for cue in cues}
        notes = [
            LineNote(by_text[t].start / 1000, by_text[t].end / 1000, f"{t}: {why}")
            for t, why in problems
            if t in by_text
        ]
    else:
        dialogue = folder / "dialogue.wav"
        if not dialogue.is_file():
            write_wav(dialogue, dialogue_for(reel, script, timeline))
    request = DubRequest(
        film, reel.rate, reel.length, order.language, order.source_language, dialogue, subtitles, order.preset, folder
    )
    dubbed = dubber(request, lambda d, t: progress(reel.length * (1 + (d / t if t else 0))))
    return dubbed, notes


def _file_name(piece: Piece, key: str) -> str:
    """ASCII, unique, ending in letters: a number at the end would be taken for a picture sequence."""
    stem = (
        re.sub(r"[^A-Za-z0-9]+", "_", Path(piece.uses[0].clip.name or piece.media.name).stem).strip("_")[:40] or "clip"
    )
    return f"{stem}_dub_{key[:8]}_{piece.name}.mov"


def _projects(home: Path) -> dict[str, str]:
    """The projects of the reels, in which a person may have decided something since."""
    return {path.parent.name: file_digest(path) for path in sorted(home.glob(f"reel_*/*{SUFFIX}"))}


def _stored(record: Path) -> dict | None:
    try:
        stored = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if stored.get("schema") != SCHEMA:
        return None
    if stored.get("projects", now := _projects(record.parent)) != now:
        return None
    for item in stored["pieces"].values():
        path = record.parent / item["file"]
        if not path.is_file() or path.stat().st_size != item["size"]:
            return None
    return stored


def _plain(facts: MediaFacts) -> dict:
    return asdict(facts) | {"rate": str(facts.rate)}


def _facts(item: dict) -> MediaFacts:
    return MediaFacts(**(item["facts"] | {"rate": Fraction(item["facts"]["rate"])}))


def finished(folder: Path, key: str) -> bool:
    """Whether a complete result for ``key`` lies under ``folder``."""
    return _stored(folder / key / "result.json") is not None


def summary(result: DubResult) -> list[str]:
    """The result in lines for a terminal."""
    timeline = result.timeline
    lines = [f"{len(result.placed)} clips dubbed, {len(result.refusals)} left alone, {len(result.markers)} markers"]
    lines += [f"not dubbed: {r.name} at {timeline.timecode(r.record.start)}: {r.reason}" for r in result.refusals]
    return lines + [f"the format could not carry: {loss}" for loss in result.losses]
