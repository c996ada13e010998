"""dubkit: re-voice a film in another language and move every actor's lips to the new voice.

    from dubkit import dub, open_project, run_catalogue

The names are imported when they are first used, so ``import dubkit`` stays light.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["dub", "open_project", "run_catalogue"]
_PUBLIC = {
    "dub": ("dubkit.project.pipeline", "dub"),
    "open_project": ("dubkit.project.schema", "load"),
    "run_catalogue": ("dubkit.batch.run", "run_catalogue"),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'dubkit' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)
