"""The one place where dubkit starts other programs (ffmpeg, TTS commands). Argument lists only, never a shell.

The last words of a program's standard error are kept and become part of the error when it fails.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from dubkit.errors import ProcessError

LAST_WORDS = 12  # lines of standard error kept
# Ctrl-C reaches dubkit alone, which then stops its programs: an ffmpeg that got it too would seem to have failed.
_APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}


def run(
    arguments: Sequence[str | Path],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    cwd: Path | None = None,
) -> bytes:
    """Runs a program to its end and returns its standard output.

    Raises ProcessError when it exits non-zero, exceeds ``timeout`` seconds, or cannot be started.
    """
    command = [str(argument) for argument in arguments]
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            cwd=cwd,
            check=False,
            **_APART,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(name, None, f"stopped after {timeout} s") from error
    except OSError as error:
        raise ProcessError(name, 127, f"could not be started: {error}") from error
    if done.returncode:
        raise ProcessError(name, done.returncode, last_words(done.stderr))
    return done.stdout


def as_typed(*words: str | Path) -> str:
    """A command as a person types it: words with spaces in quotes, those of the system's own shell."""
    typed = [str(word) for word in words]
    return subprocess.list2cmdline(typed) if os.name == "nt" else shlex.join(typed)


def last_words(stderr: bytes) -> str:
    """The last lines a program said, decoded without ever failing."""
    lines = stderr.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    return "\n".join([line for line in lines if line.strip()][-LAST_WORDS:])


class Pipe:
    """A running program fed through standard input or read through standard output, frame by frame.

    Its standard error is drained by a thread, so neither side can block the other. Use as a context manager: leaving
    it normally waits for the program and raises ProcessError if it failed; leaving it by an exception kills it.
    """

    def __init__(
        self, arguments: Sequence[str | Path], *, write: bool = False, read: bool = False, buffer: int = 1 << 20
    ):
        command = [str(argument) for argument in arguments]
        self.name = Path(command[0]).name
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if write else subprocess.DEVNULL,
                stdout=subprocess.PIPE if read else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                bufsize=buffer,
                **_APART,
            )
        except OSError as error:
            raise ProcessError(self.name, 127, f"could not be started: {error}") from error
        self._lines: deque[bytes] = deque(maxlen=LAST_WORDS)
        self._drain = threading.Thread(target=self._collect, daemon=True)
        self._drain.start()

    def _collect(self) -> None:
        for line in self._process.stderr:
            self._lines.append(line)

    def write(self, data: bytes | memoryview) -> None:
        """Feeds the program. Raises ProcessError with its last words if it has died."""
        try:
            self._process.stdin.write(data)
        except (BrokenPipeError, OSError) as error:
            self._fail(error)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or fewer at the end of the stream."""
        return self._process.stdout.read(size)

    def _fail(self, error: BaseException | None) -> None:
        self._process.kill()
        code = self._process.wait()
        self._drain.join(timeout=2)
        raise ProcessError(self.name, code, last_words(b"\n".join(self._lines)) or str(error)) from error

    def close(self) -> None:
        """Ends the input, waits for the program, and raises ProcessError if it failed."""
        try:
            if self._process.stdin:
                self._process.stdin.close()
        except OSError as error:
            self._fail(error)
        if self._process.stdout:
            self._process.stdout.close()
        code = self._process.wait()
        self._drain.join(timeout=2)
        self._process.stderr.close()
        if code:
            raise ProcessError(self.name, code, last_words(b"\n".join(self._lines)))

    def kill(self) -> None:
        """Stops the program at once; no error is raised."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()
