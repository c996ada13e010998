"""Dub a catalogue from Python: python examples/dub_a_catalogue.py catalogue.toml [workers] [local|ray]

The same as ``dubkit batch``. Run it again and only what is new or has changed is done.
"""

import sys
from pathlib import Path

from dubkit import run_catalogue


def main(catalogue: Path, workers: int | None = None, engine: str = "local") -> bool:
    def listener(task, event) -> None:
        if event.kind in ("end", "failed", "retry"):
            print(f"{task.title} [{task.language or 'source'}] {event.stage}: {event.kind} {event.text}".rstrip())

    summary = run_catalogue(catalogue, workers, listener, engine=engine)
    for unit in summary.units:
        if unit.language:
            print(f"{unit.title} → {unit.language}: {unit.state} {unit.error or unit.facts.get('film', '')}")
    return summary.succeeded


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
    sys.exit(0 if main(Path(sys.argv[1]), workers, *sys.argv[3:]) else 1)
