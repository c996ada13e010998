"""The command line inside the test's own process: quick, and an error that reaches the user as a traceback fails the test."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """The error without line breaks."""
        return " ".join(self.err.split())


@pytest.fixture
def dubkit(monkeypatch, capsys, tmp_path):
    """Runs ``dubkit`` with the given words, in ``tmp_path``."""
    from dubkit.cli import main

    def run(*words) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["dubkit", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Said(code, *capsys.readouterr())

    return run
