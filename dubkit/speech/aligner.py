"""Word times by forced alignment: whisperX's wav2vec2 models, one a language (Bain et al. 2023, section 3.3).

The models come from torchaudio (en, fr, de, es, it) or the Hugging Face hub and are downloaded once. Where that cannot
be done the user is told; Whisper's own word times are a named choice (``align = "whisper"``), never a silent one.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.speech.cues import place_words
from dubkit.speech.sound import RATE
from dubkit.types import Segment, Word


class Aligner:
    """The forced aligner of one language."""

    def __init__(self, language: str, device: str):
        import whisperx

        self.device = device
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # whisperX prints what it should raise
                self.model, self.metadata = whisperx.load_align_model(language, device)
        except Exception as error:  # torchaudio's and the hub's own errors; all mean that there is no aligner
            raise _unavailable(language, error) from error

    def words(self, text: str, samples: np.ndarray, start: float) -> list[Word]:
        """The words of ``text`` as they lie in ``samples`` (N,), whose first sample is at ``start`` seconds.

        A word without a letter the model knows takes the place between its neighbours.
        """
        import whisperx

        duration = len(samples) / RATE
        try:
            result = whisperx.align(
                [{"start": 0.0, "end": duration, "text": text}], self.model, self.metadata, samples, self.device
            )
        except LookupError as error:  # nltk's sentence splitter, which whisperX downloads at first use
            raise _unavailable(self.metadata["language"], error) from error
        found = [word for segment in result["segments"] for word in segment["words"]]
        return [
            replace(w, segment=Segment(start + w.segment.start, start + w.segment.end))
            for w in place_words(found, 0.0, duration)
        ]


def _unavailable(language: str, error: Exception) -> EngineUnavailable:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return EngineUnavailable(
        "whisperx",
        f"the word aligner for '{language}' is not on this machine and cannot be fetched ({first})",
        'connect to the network once, or set speech.align = "whisper", which takes the word times of the model itself',
    )
