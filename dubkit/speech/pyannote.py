"""Diarization by a ready pipeline of pyannote.audio 4 (Bredin 2023; Plaquet & Bredin 2023), from the hub or a folder.

``speech.diarizer_model`` names a pipeline of the Hugging Face hub or a local folder with its ``config.yaml``; by default
``pyannote/speaker-diarization-community-1``, which is gated: accept its terms once and log in (``hf auth login``).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dubkit.errors import EngineUnavailable
from dubkit.pieces import Pieces
from dubkit.progress import Progress
from dubkit.settings import SpeechSettings
from dubkit.speech.base import Diarization
from dubkit.speech.sound import RATE, Sound
from dubkit.speech.turns import make_turns

COMMUNITY = "pyannote/speaker-diarization-community-1"
SHORTEST = 0.1  # seconds; a shorter file holds no word


class Pyannote:
    """Any pretrained diarization pipeline of pyannote.audio."""

    def load(self, settings: SpeechSettings) -> Any:
        """The pipeline, on the CPU."""
        from pyannote.audio import Pipeline

        name = settings.diarizer_model or COMMUNITY
        try:
            pipeline = Pipeline.from_pretrained(name)
        except Exception as error:  # the hub's own errors are many; all mean that the pipeline cannot be had
            pipeline, reason = None, f"{type(error).__name__}: {error}"
        else:
            reason = "access was refused, or it is not a pipeline"
        if pipeline is None:
            raise EngineUnavailable(
                "pyannote",
                f"the pipeline '{name}' could not be loaded ({reason.splitlines()[0]})",
                f"accept the terms at https://huggingface.co/{COMMUNITY} and run `hf auth login`, or set "
                "speech.diarizer_model to a folder that holds a pipeline, or use speech.diarizer = 'pyannote-local', "
                "which needs neither",
            )
        return pipeline

    def diarize(self, audio: Path, settings: SpeechSettings, progress: Progress, pieces: Pieces) -> Diarization:
        import torch

        sound = Sound(audio)
        if sound.duration < SHORTEST:
            return Diarization((), ())
        has_cuda = torch.cuda.is_available()
        if settings.device == "cuda" and not has_cuda:
            raise EngineUnavailable(
                "pyannote on cuda", "this machine or this torch has no cuda", "--set speech.device=cpu"
            )
        pipeline = self.load(settings)
        if settings.device != "cpu" and has_cuda:
            pipeline.to(torch.device("cuda"))
        keep_answers(pipeline, pieces)
        file = {"waveform": torch.from_numpy(sound.read())[None], "sample_rate": RATE, "uri": audio.stem}
        with warnings.catch_warnings():  # with too little speech it takes the mean of no vectors; see to_diarization
            warnings.filterwarnings("ignore", "Mean of empty slice|invalid value", RuntimeWarning)
            output = pipeline(
                file,
                num_speakers=settings.num_speakers,
                min_speakers=settings.min_speakers,
                max_speakers=settings.max_speakers,
                hook=_hook(progress),
            )
        progress(1, 1)
        return to_diarization(output, sound.duration)


def keep_answers(pipeline: Any, pieces: Pieces) -> None:
    """Keeps what the networks of a SpeakerDiarization pipeline say, batch by batch; all that follows is cheap."""
    segmentation, embedding = getattr(pipeline, "_segmentation", None), getattr(pipeline, "_embedding", None)
    if segmentation is not None:
        segmentation.infer = _Kept(segmentation.infer, "segmentation", pieces)
    if embedding is not None:
        pipeline._embedding = _Kept(embedding, "embeddings", pieces)


class _Kept:
    """A function, or a callable object with all that it has, whose n-th answer is the n-th piece."""

    def __init__(self, asked: Any, name: str, pieces: Pieces):
        self._asked, self._name, self._pieces, self._count = asked, name, pieces, 0

    def __call__(self, *batch: Any, **more: Any) -> np.ndarray:
        self._count += 1
        return self._pieces(f"{self._name} {self._count}", lambda: self._asked(*batch, **more))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asked, name)


# Where each step of the pipeline begins and ends in the progress of the whole; measured on a CPU.
_STEPS = {"segmentation": (0.0, 0.3), "embeddings": (0.3, 0.95)}


def _hook(progress: Progress):
    def hook(step: str, artefact: Any, file: Any = None, total: int | None = None, completed: int | None = None):
        if step in _STEPS and total:
            first, last = _STEPS[step]
            progress(first + (last - first) * min(1.0, completed / total), 1)  # the last batch may overshoot

    return hook


def to_diarization(output: Any, duration: float) -> Diarization:
    """pyannote's DiarizeOutput (or, of older pipelines, its Annotation) as dubkit's nouns, cut to the file's length."""
    regular = getattr(output, "speaker_diarization", output)
    alone = getattr(output, "exclusive_speaker_diarization", None)
    vectors = getattr(output, "speaker_embeddings", None)
    embeddings = {}
    for name, vector in zip(regular.labels(), [] if vectors is None else vectors, strict=False):
        norm = float(np.linalg.norm(vector))
        if np.isfinite(norm) and norm > 0:
            embeddings[name] = (vector / norm).astype(np.float32)
    turns = _turns(regular, duration)
    if alone is None:
        from dubkit.speech.turns import exclusive

        return Diarization(turns, exclusive(turns), embeddings)
    return Diarization(turns, _turns(alone, duration), embeddings)


def _turns(annotation: Any, duration: float):
    return make_turns(
        (max(0.0, segment.start), min(segment.end, duration), speaker)
        for segment, _, speaker in annotation.itertracks(yield_label=True)
        if segment.start < duration and segment.end > max(0.0, segment.start)
    )
