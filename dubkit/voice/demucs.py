"""Demucs (Rouard et al. 2023, MIT) through its own program: the better separator; its weights are fetched once.

``voice.separator_model``: a model of Demucs by name (none: htdemucs), or ``FOLDER/NAME`` of a local one: ``NAME`` is a
bag (NAME.yaml) or the signature of a checkpoint (NAME-checksum.th) in that folder.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from dubkit.errors import EngineUnavailable, MediaError, ProcessError
from dubkit.voice.separate import SEPARATORS


class Demucs:
    """44.1 kHz inside; about a fifth of real time on two cores."""

    part = 600.0  # seconds: a program that starts once for every ten minutes

    def __init__(self, model: str | None = None) -> None:
        if find_spec("demucs") is None:
            raise EngineUnavailable("demucs", "the package 'demucs' is missing", SEPARATORS["demucs"].install)
        folder, _, self.model = (model or "htdemucs").rpartition("/")
        self.folder = Path(folder) if folder else None
        if self.folder and not any(self.folder.glob(f"{self.model}*")):
            raise EngineUnavailable(
                "demucs",
                f"there is no model '{self.model}' in {self.folder}",
                "put its .th files (and its .yaml, for a bag) there, or name one that Demucs can fetch, like htdemucs",
            )
        self.name = f"demucs ({self.model})"

    def without_speech(self, mix: Path, output: Path) -> None:
        from dubkit.process import run

        folder = output.parent / "demucs"
        # "minus": what is left when the voice is taken away, so that nothing of the M&E can be lost between stems.
        command = [sys.executable, "-m", "demucs", "--two-stems", "vocals", "--other-method", "minus", "--float32"]
        command += ["--clip-mode", "none", "-n", self.model, *(["--repo", self.folder] if self.folder else [])]
        try:
            run([*command, "-o", folder, mix])
        except ProcessError as error:
            raise EngineUnavailable(
                "demucs",
                f"it could not take {mix.name} apart with the model '{self.model}': {error.last_words}",
                "connect to the network once, so that it can fetch its weights; or set voice.separator_model to "
                "FOLDER/NAME of a model on disk; or voice.separator = 'spleeter', which carries its own",
            ) from error
        found = sorted(folder.glob("*/*/minus_vocals.wav")) or sorted(folder.glob("*/*/no_vocals.wav"))
        if not found:
            raise MediaError(f"demucs wrote no sound without speech for {mix.name}")
        found[-1].replace(output)
