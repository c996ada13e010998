"""Decoding in the background: the next frames are ready when the device has finished with the last ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
_PATIENCE = 0.1  # seconds between two looks whether the reader of the items has gone


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items in the same order, made by a thread that runs at most ``depth`` items ahead.

    An error while making them is raised here, in its place. When the iterator is closed early the thread stops.
    """
    made: queue.Queue = queue.Queue(maxsize=depth)
    gone = threading.Event()

    def put(kind: str, value: object) -> bool:
        while not gone.is_set():
            try:
                made.put((kind, value), timeout=_PATIENCE)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # it belongs to whoever reads
            put("error", error)

    worker = threading.Thread(target=make, name="dubkit-ahead", daemon=True)
    worker.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        gone.set()
        worker.join()
