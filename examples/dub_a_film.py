"""Dub a film from Python: python examples/dub_a_film.py film.mp4 film.es.flac es

The same as ``dubkit new`` and ``dubkit dub``: the project file stays beside the film, and a second run only makes what
has changed since.
"""

import sys
from pathlib import Path

import tomlkit

from dubkit import dub
from dubkit.project import schema
from dubkit.project.events import Event


def main(film: Path, dialogue: Path, language: str) -> None:
    path = film.with_suffix(".dub.toml")
    if not path.exists():
        document = tomlkit.document()
        document["schema"] = schema.SCHEMA
        document["preset"] = "draft"
        document["source"] = {"film": str(film.resolve()), "language": "en"}
        document["target"] = {language: {"dialogue": str(dialogue.resolve())}}
        schema.create(path, document)

    def listener(event: Event) -> None:
        if event.kind in ("start", "end", "message"):
            print(event.stage, event.kind, event.text)

    for outcome in dub(path, [language], listener=listener):
        print(f"{outcome.language}: {outcome.film}, report in {outcome.report}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
