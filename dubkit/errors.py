"""Every error dubkit raises on purpose. One root, named children; the message says what was wrong and what to do.

The command line prints the message without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations


class DubkitError(Exception):
    """Root of all errors a user can meet."""

    exit_code = 1


class InputError(DubkitError):
    """Something the user gave cannot be used: got X, expected Y, do Z."""

    exit_code = 2


class MediaError(InputError):
    """A film or sound file that cannot be read as needed."""


class CopyRefused(MediaError):
    """Why a film's packets cannot be taken over as they are; it is encoded instead."""


class ProjectError(InputError):
    """A project file that does not say what it must."""


class SettingsError(InputError):
    """An unknown setting, or a value outside what is allowed."""


class SpeechFileError(InputError):
    """An RTTM, transcript or subtitle file that cannot be read or does not fit."""


class WeightsError(InputError):
    """A weight file that is absent, of another architecture, or not what its digest says."""


class EngineUnavailable(DubkitError):
    """An engine whose package or weights are not on this machine; names the exact command that brings it."""

    exit_code = 3

    def __init__(self, engine: str, reason: str, remedy: str):
        self.engine, self.reason, self.remedy = engine, reason, remedy
        super().__init__(f"The engine '{engine}' cannot run: {reason}. To get it: {remedy}")


class ProcessError(DubkitError):
    """A program that dubkit started (ffmpeg, a TTS command) failed; its last words are kept."""

    exit_code = 4

    def __init__(self, program: str, returncode: int | None, last_words: str):
        self.program, self.returncode, self.last_words = program, returncode, last_words.strip()
        how = "did not finish in time" if returncode is None else f"failed with exit code {returncode}"
        super().__init__(f"{program} {how}. Its last words:\n{self.last_words}")


class StorageError(DubkitError):
    """A folder that cannot be written: full, read-only, or locked by another run."""

    exit_code = 5


class Cancelled(DubkitError):
    """The user stopped the run; what was finished is kept."""

    exit_code = 130
