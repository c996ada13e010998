"""Where a project stands and what it knows: python examples/look_into_a_project.py film.dub.toml

Nothing is run. ``open_project`` reads and checks a project file; ``Pipeline.status`` says of every stage why it would run.
"""

import sys
from pathlib import Path

from dubkit import open_project
from dubkit.project.layers import merged
from dubkit.project.pipeline import Pipeline


def main(path: Path) -> None:
    project = open_project(path)
    print(f"{project.name}: {project.film} → {', '.join(project.project.target)}")
    settings, origins = merged(project)
    print(f"lips by {settings.lips.engine} (from: {origins['lips.engine']})")
    for row in Pipeline(project, settings).status():
        print(f"{row.stage:<12} {row.language or '':<4} {row.state:<8} {row.why}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
