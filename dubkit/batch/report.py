"""The batch report: one row a dub, as CSV for a spreadsheet and HTML for a person. Written from the ledger alone."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dubkit.batch.ledger import Ledger, batch_folder
from dubkit.batch.status import UnitStatus, titles
from dubkit.files import atomic_write

COLUMNS = ("title", "language", "state", "duration", "speakers", "lines", "dubbed", "undecided", "frames_altered", "lse_d",
           "lse_c", "av_offset", "loudness", "wall", "compute", "source_wall", "source_compute", "attempts", "warnings",
           "error", "film")  # fmt: skip
_HEAD = {
    "duration": "duration", "lines": "lines", "dubbed": "dubbed", "lse_d": "LSE-D", "lse_c": "LSE-C",
    "av_offset": "AV offset", "loudness": "LUFS", "wall": "wall", "compute": "compute", "source_wall": "wall, source",
    "source_compute": "compute, source", "frames_altered": "frames altered",
}  # fmt: skip
_BELOW = ("error", "warnings")  # sentences: on the page they stand under their row
_NOTE = (
    "LSE-D (lower is better), LSE-C (higher is better) and AV offset (frames of 40 ms; only where both halves of the faces agree "
    "on it) are measured on the faces that were given new lips. The source side of a title is worked on once; what it took "
    "stands beside each of its dubs."
)
_TIMES = ("wall", "compute", "source_wall", "source_compute", "duration")
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } p { margin-top: .2rem; opacity: .8; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
th { border-bottom: 2px solid var(--line); font-weight: 600; } tr + tr td { border-top: 1px solid var(--soft); }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } th.n { text-align: right; }
td.title, td.film { white-space: nowrap; } tr.below td { border-top: none; padding-top: 0; overflow-wrap: anywhere; }
.failed { color: #c33; } .waiting, .running { opacity: .6; } tr.warnings { color: #a60; }
"""


def write_batch_report(catalogue: Path, ledger: Ledger) -> tuple[Path, Path]:
    """Writes ``report.csv`` and ``report.html`` into the batch's folder."""
    rows, folder = list(_rows(ledger)), batch_folder(catalogue)
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({**row, "warnings": "; ".join(row["warnings"])} for row in rows)
    atomic_write(folder / "report.csv", ("\ufeff" + buffer.getvalue()).encode())
    atomic_write(folder / "report.html", _page(catalogue, rows, folder).encode())
    return folder / "report.csv", folder / "report.html"


def _rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """One row a dub. What the source side took stands beside each of its dubs; it was spent once for all of them."""
    for source, dubs in titles(ledger):
        yield from (_row(dub, source) for dub in dubs)
        if not dubs:  # a project file that cannot be read has no dubs to show
            yield _row(source, source) | {"language": "(all)"}


def _row(unit: UnitStatus, source: UnitStatus) -> dict[str, Any]:
    facts, sync = unit.facts, unit.facts.get("sync") or {}
    row = {
        key: facts.get(key) for key in ("lines", "dubbed", "undecided", "frames_altered", "loudness", "film", "page")
    }
    error = unit.error or source.error
    return row | {
        "title": unit.title, "language": unit.language, "state": unit.state, "duration": source.facts.get("seconds"),
        "speakers": source.facts.get("speakers"), "wall": round(unit.wall, 1), "compute": round(unit.cpu, 1),
        "source_wall": round(source.wall, 1), "source_compute": round(source.cpu, 1),
        "attempts": max(unit.attempts, source.attempts), "error": error if unit.state != "done" else "",
        "warnings": [*source.facts.get("warnings", []), *facts.get("warnings", [])],
        "film": facts.get("sent") or facts.get("film"),
        **{key: sync.get(key) for key in ("lse_d", "lse_c")},
        "av_offset": sync.get("av_offset") if sync.get("halves_agree") else None,  # else it is chance
    }  # fmt: skip


def _page(catalogue: Path, rows: list[dict[str, Any]], folder: Path) -> str:
    done, failed = (sum(row["state"] == state for row in rows) for state in ("done", "failed"))
    films = sum(row["duration"] or 0 for row in rows if row["state"] == "done")
    compute = sum(row["compute"] for row in rows) + sum(
        {row["title"]: row["source_compute"] for row in rows}.values()
    )  # the source side once
    left_out = {*_BELOW} if any(row["attempts"] > 1 for row in rows) else {*_BELOW, "attempts"}
    shown = [k for k in COLUMNS if k not in left_out and any(row.get(k) not in (None, "", []) for row in rows)]
    head = "".join(f"<th{_class(key)}>{_HEAD.get(key, key)}</th>" for key in shown)
    body = "".join(
        f'<tr class="{row["state"]}">{_cells(row, shown, folder)}</tr>{_below(row, len(shown))}' for row in rows
    )
    said = (
        f"{done} of {len(rows)} dubs are done{f', {failed} failed' if failed else ''}. "
        f"{_time(films)} of dubbed film, {_time(compute)} of processor time."
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(catalogue.name)}</title><style>{_STYLE}</style><h1>{escape(catalogue.name)}</h1><p>{said}</p>"
        f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div><p>{_NOTE}</p></html>\n'
    )


def _class(key: str) -> str:
    return f' class="{key}"' if key in ("title", "language", "state", "film") else ' class="n"'


def _below(row: dict[str, Any], columns: int) -> str:
    said = {"error": [row["error"]] if row["error"] else [], "warnings": row["warnings"]}
    return "".join(
        f'<tr class="below {"failed" if key == "error" else key}"><td></td><td colspan="{columns - 1}">'
        f"{'<br>'.join(escape(str(text)) for text in said[key])}</td></tr>"
        for key in _BELOW
        if said[key]
    )


def _cells(row: dict[str, Any], shown: list[str], folder: Path) -> str:
    return "".join(f"<td{_class(key)}>{_cell(key, row, folder)}</td>" for key in shown)


def _cell(key: str, row: dict[str, Any], folder: Path) -> str:
    value = row.get(key)
    if value is None or value == "" or value == []:
        return ""
    if key == "title" and row.get("page"):
        return _link(row["page"], str(value), folder)
    if key == "film":
        name = str(value).replace(os.sep, "/").rpartition("/")[2]
        return escape(str(value)) if "://" in str(value) else _link(str(value), name, folder)
    if key in _TIMES:
        return _time(value)
    return escape(f"{value:.2f}" if isinstance(value, float) else str(value))


def _link(path: str, text: str, folder: Path) -> str:
    try:
        target = quote(os.path.relpath(path, folder).replace(os.sep, "/"))
    except ValueError:  # another drive
        target = Path(path).as_uri()
    return f'<a href="{escape(target, quote=True)}">{escape(text)}</a>'


def _time(seconds: float) -> str:
    """1:02:03, 2:03, or 3.4 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
