"""The report as a page for a person: lines that need an eye first, then every line, then how it was made."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from dubkit.files import atomic_write

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --warn: #c60; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.sub { margin-top: 0; opacity: .7; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; }
th { font-weight: 600; border-bottom: 2px solid var(--line); } tr + tr td { border-top: 1px solid var(--soft); }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; } .warn { color: var(--warn); } .soft { opacity: .7; }
.film { position: relative; height: 1.2rem; background: var(--soft); border-radius: .2rem; overflow: hidden; }
.film span { position: absolute; top: 0; bottom: 0; background: #38a; }
"""


def write_report(path: Path, report: dict[str, Any]) -> Path:
    """Writes the HTML page of a ``dubkit.report/1``; no outside resources, opens anywhere."""
    source, result = report["source"], report["result"]
    frames = max(1, source["frames"])
    share = 100 * result["frames_altered"] / frames
    spans = "".join(
        f'<span style="left:{100 * a / frames:.3f}%;width:{100 * (b - a) / frames:.3f}%" title="frames {a} to {b}"></span>'
        for a, b in result["altered"]
    )
    attention = [row for row in report["lines"] if _problems(row)]
    parts = [
        f"<h1>{escape(result['file'])}</h1>",
        f'<p class="sub">{escape(source["file"])} dubbed into {escape(result["language"])} by dubkit {report["dubkit"]}: '
        f"{result['frames_altered']} of {frames} frames altered ({share:.0f} %).</p>",
        f'<div class="film" title="altered frames">{spans}</div>',
        *(f'<p class="warn">{escape(w)}</p>' for w in (*source["warnings"], *result.get("left_out", ()))),
        *_copied(result),
        "<h2>Needs a human eye</h2>",
        _line_table(attention) if attention else "<p>Nothing.</p>",
        "<h2>Every line</h2>",
        _line_table(report["lines"]),
        *_dub(report.get("voice", {})),
        *_default_voices(report.get("voice", {}).get("cast", {})),
        "<h2>Lips</h2>",
        _job_table(report["lips"]),
        "<h2>How it was made</h2>",
        _stage_table(report["stages"]),
    ]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(result['file'])}: report</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )
    atomic_write(path, page.encode())
    return path


def _copied(result: dict[str, Any]) -> list[str]:
    if result.get("not_copied"):
        return [f"<p>Nothing was copied from the source packet by packet: {escape(result['not_copied'])}.</p>"]
    count = sum(stop - start for start, stop in result.get("copied", ()))
    return [f"<p>{count} frames were copied from the source packet by packet.</p>"] if count else []


def _dub(voice: dict[str, Any]) -> list[str]:
    """The dub's measures, what did not match or fit, and how each line got into its slot."""
    if "coverage" not in voice:
        return []
    cover, loud = voice["coverage"], voice["loudness"]
    seen = f" ({cover['on_screen_covered']:.0%} where the speaker is seen)" if "on_screen_covered" in cover else ""
    said = (
        f"The dub speaks in {cover['covered']:.0%} of the actors' speech{seen}; overlap of both {cover['overlap']:.0%}. "
        f"{loud['integrated_lufs']} LUFS (target {loud['target_lufs']}), true peak {loud['true_peak_dbtp']} dBTP. "
        f"Beside it: {voice['background']}."
    )
    notes = "".join(f'<li class="warn">{escape(n)}</li>' for n in (*voice["problems"], *voice.get("subtitles", ())))
    cells = ("line", "speaker", "start", "slot", "natural", "final", "stretch", "gain_db")
    rows = "".join(
        "<tr>"
        + "".join(f'<td class="n">{escape(str(row.get(cell, "")))}</td>' for cell in cells)
        + f'<td class="n">{escape(row["source"] or "")}</td><td class="warn">{"<br>".join(map(escape, row["notes"]))}</td></tr>'
        for row in voice["lines"]
    )
    names = (*cells[:2], *(f"{cell} (s)" for cell in cells[2:6]), "stretch", "gain (dB)", "from", "note")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
    return [
        "<h2>The dub</h2>",
        f"<p>{escape(said)}</p>",
        f"<ul>{notes}</ul>" if notes else "",
        f"<table>{head}{rows}</table>",
    ]


def _default_voices(cast: dict[str, dict[str, Any]]) -> list[str]:
    """Which characters had no voice named in the project, and what speaks them."""
    if not cast:
        return []
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(found['voice'])}</td>"
        f'<td class="n">{found["pitch_hz"] or ""}</td><td class="warn">{escape(found["note"])}</td></tr>'
        for name, found in cast.items()
    )
    head = "<tr><th>character</th><th>voice</th><th>actor's pitch, Hz</th><th></th></tr>"
    return ["<h2>Default voices</h2>", f"<table>{head}{rows}</table>"]


def _problems(row: dict[str, Any]) -> list[str]:
    found = [f["reason"] or "undecided" for f in row["faces"] if f["state"] == "undecided"]
    found += [note for dub in row["dub"] for note in dub["notes"]]
    if not row["dub"] and row["translation"] != "":  # "" is said together with an earlier line
        found.append("no dub for this line")
    return found


def _line_table(rows: list[dict[str, Any]]) -> str:
    body = []
    for row in rows:
        faces = "<br>".join(escape(f"{f['state']} {f['track'] or ''}") + f' <span class="soft">{escape(f["source"])}, margin {f["margin"]}</span>' for f in row["faces"])  # fmt: skip
        dub = "<br>".join(f"{d['start']:.2f} to {d['end']:.2f}, stretch {d['stretch']:.2f}" for d in row["dub"])
        text = escape(row["text"] or "") + (f"<br>{escape(row['translation'])}" if row["translation"] else "")
        body.append(
            f'<tr><td class="n">{escape(row["turn"])}</td><td class="n">{row["start"]:.2f} to {row["end"]:.2f}</td>'
            f"<td>{escape(row['speaker'])}</td><td>{text}</td><td>{faces}</td>"
            f'<td class="n">{dub}</td><td class="warn">{"<br>".join(map(escape, _problems(row)))}</td></tr>'
        )
    head = "<tr><th>line</th><th>seconds</th><th>speaker</th><th>text</th><th>face</th><th>dub</th><th>note</th></tr>"
    return f"<table>{head}{''.join(body)}</table>"


def _job_table(jobs: list[dict[str, Any]]) -> str:
    if not jobs:
        return "<p>No face was altered.</p>"
    head = "<tr><th>frames</th><th>face</th><th>speaker</th><th>changed</th><th>mask</th><th>time</th><th>sync before, after</th><th>engine</th><th>weights</th><th>licence</th><th>passed through</th></tr>"
    rows = "".join(
        f'<tr><td class="n">{job["frames"][0]} to {job["frames"][1]}</td><td>{escape(str(job.get("track", "")))}</td>'
        f"<td>{escape(str(job.get('speaker', '')))}</td>{_job_numbers(job)}<td>{escape(str(job.get('engine', '')))}, {escape(str(job.get('precision', '')))}</td>"
        f'<td title="{escape(str(job.get("weights_digest", "")))}">{escape(str(job.get("weights", "")))}</td>'
        f"<td>{escape(str(job.get('licence', '')))}</td>"
        f"<td>{'<br>'.join(map(escape, job['notes']))}</td></tr>"
        for job in jobs
    )
    return f"<table>{head}{rows}</table>"


def _job_numbers(job: dict[str, Any]) -> str:
    """Frames changed, mask in pixels, seconds, and the sync score before and after with its judge as the title."""
    seconds, before = job.get("seconds"), job.get("sync_before")
    sync = f"{before:.2f}, {job['sync_after']:.2f}" if before is not None else ""
    return (
        f'<td class="n">{job.get("frames_changed", "")}</td><td class="n">{job.get("mask_pixels", "")} px</td>'
        f'<td class="n">{"" if seconds is None else f"{seconds:.1f} s"}</td>'
        f'<td class="n" title="mean cosine of {escape(str(job.get("sync_judge", "")))}; compare, do not grade">{sync}</td>'
    )


def _stage_table(stages: list[dict[str, Any]]) -> str:
    rows = "".join(
        f'<tr><td>{escape(s["stage"])}</td><td class="n">{s["seconds"]:.1f} s</td>'
        f"<td>{escape(', '.join(f'{k}={v}' for k, v in s['settings'].items()))}</td></tr>"
        for s in stages
    )
    return f"<table><tr><th>stage</th><th>time</th><th>settings</th></tr>{rows}</table>"
