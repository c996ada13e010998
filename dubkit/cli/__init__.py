"""The command line: a guest in the house. It parses, calls the library, prints; nobody imports it."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``dubkit`` program: errors become one message and an exit code, never a traceback."""
    from dubkit.cli.app import app
    from dubkit.errors import DubkitError
    from dubkit.memory import give_back_freed

    give_back_freed()
    for stream in (sys.stdout, sys.stderr):  # a pipe on Windows has 256 letters, and file names have more
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except DubkitError as error:
        print(f"dubkit: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"dubkit: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(DubkitError.exit_code)
