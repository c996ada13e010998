"""An iterator that works ahead in a thread of its own: a film is decoded while its earlier frames are looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")
_PATIENCE = 0.1  # seconds between two looks at whether anybody still wants items


@contextmanager
def ahead(items: Iterator[T], count: int = 4) -> Iterator[Iterator[T]]:
    """``items`` in their order, of which up to ``count`` are made before they are asked for.

    It gains where the making gives Python's lock away, as decoders, OpenCV and networks do. What ``items`` raises is raised
    where it would have been. On leaving, the thread is waited for and ``items`` is closed.
    """
    made: Queue = Queue(count)
    left = threading.Event()

    def put(kind: str, value: object = None) -> bool:
        while not left.is_set():
            try:
                made.put((kind, value), timeout=_PATIENCE)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end")
        except BaseException as error:  # whatever it is, it belongs to the one who asked
            put("error", error)
        finally:
            if hasattr(items, "close"):
                items.close()

    def taken() -> Iterator[T]:
        while True:
            kind, value = made.get()
            if kind == "item":
                yield value
            elif kind == "error":
                raise value
            else:
                return

    worker = threading.Thread(target=work, name="ahead", daemon=True)
    worker.start()
    try:
        yield taken()
    finally:
        left.set()
        worker.join()
