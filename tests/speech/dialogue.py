"""A recipe: an English dialogue of two embedded voices, with its exact truth. Nobody recorded it, so nobody tuned to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit.speech import rttm
from dubkit.speech.turns import make_turns
from dubkit.types import Turn

RATE = 16_000
SCRIPT = (
    ("ann", "Did you lock the door before we left the house this morning?"),
    ("joe", "I thought you did. You had the keys in your hand."),
    ("ann", "No, I gave them to your brother when he came to fetch the ladder."),
    ("joe", "Then he still has them, and he is on a train to the coast."),
    ("ann", "Wonderful."),
    ("joe", "We could ask the neighbour. She keeps a spare key in her kitchen."),
    ("ann", "She went to visit her daughter on Monday and will not be back until the end of the week."),
    ("joe", "What about the window in the bathroom? It never closes properly."),
    ("ann", "You would have to climb over the roof of the garage, and it is raining."),
    ("joe", "Give me ten minutes and hold my coat."),
    ("ann", "Please be careful up there."),
    ("joe", "I have done this a hundred times."),
)
VOICES = {"ann": "hibari/heart", "joe": "piper/joe"}


@dataclass(frozen=True)
class Dialogue:
    """What was synthesised."""

    audio: Path  # 16 kHz mono FLAC
    rttm: Path
    turns: tuple[Turn, ...]
    texts: tuple[str, ...]  # one a turn


def make(
    folder: Path, script: tuple[tuple[str, str], ...] = SCRIPT, pause: float = 0.5, noise_db: float = -60.0
) -> Dialogue:
    """Writes the dialogue into ``folder``: lines in turn, ``pause`` seconds between them, over quiet noise (dBFS)."""
    import soundfile
    import soxr

    from dubkit.voice.base import open_voice
    from dubkit.voice.fit import trimmed

    speakers = {name: open_voice(VOICES[name], "en") for name in dict(script)}
    pieces, spans, now = [np.zeros(round(pause * RATE), np.float32)], [], pause
    for name, text in script:
        audio, rate = speakers[name].speak(text, "en")
        audio = trimmed(soxr.resample(np.asarray(audio, np.float32), rate, RATE, "VHQ"))
        audio = audio * (0.05 / max(1e-6, float(np.sqrt(np.mean(audio**2)))))  # the same loudness for both
        spans.append((now, now + len(audio) / RATE, name))
        pieces += [audio, np.zeros(round(pause * RATE), np.float32)]
        now = spans[-1][1] + pause
    sound = np.concatenate(pieces)
    sound += np.random.default_rng(0).normal(0, 10 ** (noise_db / 20), len(sound)).astype(np.float32)
    path = folder / "dialogue.flac"
    soundfile.write(str(path), np.clip(sound, -1, 1), RATE, subtype="PCM_16")
    turns = make_turns(spans)
    return Dialogue(
        path, rttm.save(folder / "dialogue.rttm", turns, "dialogue"), turns, tuple(text for _, text in script)
    )
