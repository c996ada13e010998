"""How long work tells how far it is: a callback, with any number of listeners behind it.

Library functions take ``progress: Progress = silent`` and call ``progress(done, total)`` in their own unit. A listener
that wants to stop the work raises ``Cancelled`` from the call, so long loops should report at least once a second.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, float], None]  # (done, total), in the unit of the work: frames, seconds, lines


def silent(done: float, total: float) -> None:
    """Nobody listens."""
