"""The batch report: one row a dub, as CSV for a spreadsheet and HTML for a person."""

from __future__ import annotations

import csv
import io
import json
import os
from html import escape
from pathlib import Path
from typing import Any

from dubkit.batch.ledger import SOURCE, Task
from dubkit.batch.run import batch_folder, outcomes
from dubkit.files import atomic_write

_COLUMNS = ("title", "language", "state", "attempts", "seconds", "lines", "undecided", "frames", "frames_altered", "loudness",
            "warnings", "error", "film")  # fmt: skip
_STYLE = """
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
th { border-bottom: 2px solid #8884; } tr + tr td { border-top: 1px solid #8882; } .failed { color: #c33; } .n { text-align: right; }
"""


def write_batch_report(catalogue: Path, tasks: tuple[Task, ...]) -> tuple[Path, Path]:
    """Writes ``report.csv`` and ``report.html`` into the batch's folder."""
    state = {(task.title, task.language): task for task in tasks}
    rows = [
        _row(state.get((title.title, language), Task(title.title, language)), state.get((title.title, SOURCE)), outcome)
        for title, language, outcome in outcomes(catalogue)
    ]
    folder = batch_folder(catalogue)
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, _COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(folder / "report.csv", ("\ufeff" + buffer.getvalue()).encode())
    atomic_write(folder / "report.html", _page(catalogue, rows, folder).encode())
    return folder / "report.csv", folder / "report.html"


def _row(task: Task, source: Task | None, outcome: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "title": task.title, "language": task.language, "state": task.state, "attempts": task.attempts,
        "seconds": round(task.seconds, 1), "error": task.error, "film": str(outcome.film), "page": outcome.report,
    }  # fmt: skip
    if not task.error and source is not None and source.state == "failed":
        row["error"] = source.error
    report = outcome.report.with_suffix(".json")
    if task.state == "done" and report.is_file():
        said = json.loads(report.read_text("utf-8"))
        faces = [face["state"] for line in said["lines"] for face in line["faces"]]
        row |= {
            "lines": len(said["lines"]), "undecided": faces.count("undecided"), "frames": said["source"]["frames"],
            "frames_altered": said["result"]["frames_altered"], "loudness": said["voice"]["loudness"]["integrated_lufs"],
            "warnings": "; ".join(said["source"]["warnings"]),
        }  # fmt: skip
    return row


def _page(catalogue: Path, rows: list[dict[str, Any]], folder: Path) -> str:
    done = sum(row["state"] == "done" for row in rows)
    body = []
    for row in rows:
        link = escape(os.path.relpath(row["page"], folder).replace(os.sep, "/"), quote=True)
        name = f'<a href="{link}">{escape(row["title"])}</a>' if row["page"].exists() else escape(row["title"])
        cells = [name, *(escape(str(row.get(key, ""))) for key in _COLUMNS[1:-1])]
        body.append(f'<tr class="{escape(row["state"])}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in _COLUMNS[:-1])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(catalogue.name)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(catalogue.name)}</h1><p>{done} of {len(rows)} dubs are done.</p>"
        f"<table><tr>{head}</tr>{''.join(body)}</table></html>\n"
    )
