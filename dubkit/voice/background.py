"""What sounds beside the dialogue: the M&E given, one made by separation, the original ducked, or room tone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit.errors import InputError
from dubkit.settings import VoiceSettings
from dubkit.types import Segment
from dubkit.voice import mix
from dubkit.voice.levels import Original
from dubkit.voice.separate import separated
from dubkit.voice.tracks import LAYOUTS, Track, file_channels, file_track


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """``said``: what it is, for the report; "" for digital silence."""

    track: Track
    said: str


def choose_background(
    given: Path | None,
    original: Path | None,
    heard: Original | None,
    source_speech: Sequence[Segment],
    dub_speech: Sequence[Segment],
    samples: int,
    folder: Path,
    settings: VoiceSettings,
) -> Background:
    """The background that the settings ask for, in the layout of the mix. Raises InputError where it cannot be had."""
    kind = settings.background
    if kind == "auto":
        kind = "me" if given else "duck" if original else "none"
    if kind == "me" and given is None:
        raise InputError("voice.background is 'me', but no M&E track is given; name one as the target's background")
    if kind in ("duck", "separate") and original is None:
        raise InputError(f"voice.background is '{kind}', but the film has no sound; use none, or give an M&E track")
    channels = file_channels(original) if original else 2
    if kind == "me":
        channels = _widest(channels, file_channels(given)) if original else max(2, file_channels(given))
        return Background(mix.in_layout(file_track(given, samples), channels, given.name), f"M&E: {given.name}")
    if kind == "duck":
        speech = [*source_speech, *dub_speech]
        track = mix.ducked(file_track(original, samples), heard.carriers, speech, settings.duck_db)
        return Background(track, f"the original, {settings.duck_db:g} dB under speech")
    if kind == "separate":
        path, engine = separated(
            original, heard.carriers, folder / "separated.flac", settings.separator, settings.separator_model
        )
        return Background(file_track(path, samples), f"M&E made of the original by {engine}")
    if settings.room_tone:
        track, origin = mix.room_tone(original, source_speech, channels, samples)
        return Background(track, f"room tone: {origin}")
    return Background(mix.silence(channels, samples), "")


def _widest(a: int, b: int) -> int:
    """The layout that holds both: the one with more channels."""
    return a if len(LAYOUTS[a]) >= len(LAYOUTS[b]) else b
