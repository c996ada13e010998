"""What a person sees: the plan's estimate, the report, the live table."""

import csv
import io

import pytest
from rich.console import Console

from dubkit.batch import estimate as estimates
from dubkit.batch.ledger import SOURCE, Ledger, Task, Unit
from dubkit.batch.report import COLUMNS, write_batch_report
from dubkit.cli.batch_live import LiveTable
from dubkit.project.events import Event
from tests.batch.test_ledger import run

SYNC = {"lse_d": 1.1, "lse_c": 0.4, "av_offset": -13, "halves_agree": False}
DUB = {"film": "/f/a.es.mp4", "page": "/f/report.html", "lines": 9, "dubbed": 8, "undecided": 1, "frames_altered": 70,
       "loudness": -23.04, "scratch": 2000, "bytes": 1000, "warnings": ["line 3: too long by 0.4 s <cut>"]}  # fmt: skip


@pytest.fixture
def ledger(tmp_path):
    (tmp_path / "c.toml").write_text("")
    return Ledger(tmp_path / "c.batch" / "ledger.sqlite", "me")


def facts(task):
    return {
        "prepare": {"seconds": 10.0, "frames": 250, "warnings": ["variable rate"], "parts": []},
        "cast": {"speakers": 2},
        "render": DUB,
        "score": {"sync": SYNC},
    }.get(task.step, {})


def test_links_lead_to_films_whatever_they_are_called(ledger, tmp_path):
    ledger.plan([Unit("a", language) for language in (SOURCE, "es")])
    film = tmp_path / "c.batch" / "Ep #1 100%? ñ.mp4"
    run(ledger, lambda task: facts(task) | ({"film": str(film)} if task.step == "render" else {}))
    _, page = write_batch_report(tmp_path / "c.toml", ledger)
    assert '<a href="Ep%20%231%20100%25%3F%20%C3%B1.mp4">Ep #1 100%? ñ.mp4</a>' in page.read_text("utf-8")


def test_the_report_has_a_row_for_every_dub(ledger, tmp_path):
    ledger.plan([Unit(title, language) for title in ("a <b>", "bad") for language in (SOURCE, "es", "fr")])
    task = ledger.take(["prepare"])
    assert task.title == "a <b>"
    ledger.finish(task, 1.0, 2.0, facts(task))
    ledger.fail(ledger.take(["prepare"]), "truncated", 1.0, 1.0, None)
    run(ledger, facts)
    table, page = write_batch_report(tmp_path / "c.toml", ledger)
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig"))))
    assert [(row["title"], row["language"], row["state"]) for row in rows] == [
        ("a <b>", "es", "done"), ("a <b>", "fr", "done"), ("bad", "es", "failed"), ("bad", "fr", "failed")]  # fmt: skip
    good, bad = rows[0], rows[2]
    assert list(good) == list(COLUMNS)
    assert {key: good[key] for key in ("duration", "speakers", "lines", "dubbed", "undecided", "lse_d", "loudness")} == {
        "duration": "10.0", "speakers": "2", "lines": "9", "dubbed": "8", "undecided": "1", "lse_d": "1.1",
        "loudness": "-23.04"}  # fmt: skip
    assert float(good["compute"]) == 2.0 * 4, "voice, lips, render, score"
    assert float(good["source_compute"]) == 2.0 * 5, "prepare, speech, faces, cast, adapt: once for both languages"
    assert good["warnings"] == "variable rate; line 3: too long by 0.4 s <cut>"
    assert bad["error"] == "truncated"
    html = page.read_text()
    assert "a &lt;b&gt;" in html
    assert "&lt;cut&gt;" in html
    assert "2 of 4 dubs are done, 2 failed" in html
    assert "28.0 s" not in html
    assert "27.0 s of processor time" in html, "10 for the source, 8 for each dub, and 1 that failed"


@pytest.mark.parametrize(("agree", "shown"), [(True, "-13"), (False, "")])
def test_an_offset_that_is_chance_is_not_shown(ledger, tmp_path, monkeypatch, agree, shown):
    monkeypatch.setitem(SYNC, "halves_agree", agree)
    ledger.plan([Unit("a", language) for language in (SOURCE, "es")])
    run(ledger, facts)
    table, _ = write_batch_report(tmp_path / "c.toml", ledger)
    (row,) = csv.DictReader(io.StringIO(table.read_text("utf-8-sig")))
    assert (row["lse_c"], row["av_offset"]) == ("0.4", shown)


def test_an_estimate_uses_what_was_measured(ledger, tmp_path):
    (tmp_path / "no film.mp4").write_text("no film")
    ledger.plan([Unit(title, language) for title in ("a", "b", "c") for language in (SOURCE, "es")])
    films = {"b": tmp_path / "no film.mp4"}.get
    before = estimates.estimate(ledger, films)
    assert before.assumed == 2
    assert not any(row.measured for row in before.steps)
    run(ledger, facts, most=9)  # "a" is nearest to its end, so it is finished first
    after = estimates.estimate(ledger, films)
    assert after.assumed == 1, "c; b was looked at, and takes nothing but a failure"
    prepare = after.steps[0]
    assert (prepare.left, prepare.measured) == (2, True)
    assert prepare.cpu == pytest.approx(2.0), "0.2 of processor time for a second of film, 10 s of c"
    assert after.disk == pytest.approx(10 * estimates.SOURCE_BYTES + 10 * 300)


def test_the_live_table_shows_progress_rate_and_time_left(tmp_path):
    now = [100.0]
    table = LiveTable(tmp_path / "c.toml", clock=lambda: now[0])
    table._next = 1e9  # no question to the ledger
    task = Task("a film", "es", "lips", 2)
    table(task, Event("start", "lips", "es"))
    table(task, Event("progress", "lips", "es", 1000, 2000))  # resumed work
    now[0] += 10
    table(task, Event("progress", "lips", "es", 1100, 2000))

    def shown():
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(table.render())
        return console.export_text()

    text = shown()
    for word in ("a film", "es", "lips, part 2", "55 %", "10.0 fps", "1:30"):
        assert word in text
    table(task, Event("failed", "lips", "es", text="no disk"))
    text = shown()
    assert "1:30" not in text
    assert "a film [es] lips: no disk" in text
