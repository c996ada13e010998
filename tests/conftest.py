"""Fixtures for all tests: shared media (or a skip), and small helpers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test media beside the repository; the test is skipped where it is absent."""
    folder = Path(os.environ.get("DUBKIT_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "media").is_dir():
        pytest.skip("shared test media are not beside the repository (../shared, or set DUBKIT_SHARED)")
    return folder
