"""A catalogue runs to its end whatever single titles do. The work is a fake; processes, ledger and retries are real."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from dubkit.batch import run as batch
from dubkit.batch import status
from dubkit.batch.graph import STEPS
from dubkit.batch.ledger import batch_folder
from dubkit.errors import StorageError
from tests.fakes.batch_work import work

posix = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
SOURCE_STEPS = [step.name for step in STEPS if not step.per_language]
DUB_STEPS = [step.name for step in STEPS if step.per_language]


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "BACK_OFF", (0.05, 0.05))

    def write(*titles, languages=("es", "fr")):
        lines = ["title,film,language,dialogue"]
        lines += [f"{t},{t}.mp4,{lang},{t}.{lang}.flac" for t in titles for lang in languages]
        path = tmp_path / "catalogue.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def log(path):
    return (batch_folder(path) / "log.txt").read_text().split()


def expected(*titles, languages=("es", "fr")):
    return sorted(
        f"{title}/{language}/{step}"
        for title in titles
        for language in ("", *languages)
        for step in (DUB_STEPS if language else SOURCE_STEPS)
    )


def run(path, workers=2, **options):
    return batch.run_catalogue(path, workers, work=work, **options)


def test_all_once_then_only_the_new(catalogue):
    path = catalogue("a", "b")
    assert run(path).succeeded
    assert sorted(log(path)) == expected("a", "b"), "the source side once for a title, not once for a language"
    path = catalogue("a", "b", "c")
    assert run(path).succeeded
    assert sorted(log(path)) == expected("a", "b", "c")
    path = catalogue("a", "b", "c", languages=("es", "fr", "de"))
    assert run(path).succeeded
    assert sorted(log(path)) == expected("a", "b", "c", languages=("es", "fr", "de"))


def test_a_corrupt_title_is_a_row(catalogue):
    path = catalogue("a", "corrupt", "bug", "z")
    said = []
    summary = run(path, listener=lambda task, event: said.append((task.title, event.kind, event.text)))
    assert not summary.succeeded
    assert {unit.title for unit in summary.failed} == {"corrupt", "bug"}
    assert log(path).count("corrupt//prepare") == 1, "a bad file is not tried again"
    assert set(expected("a", "z")) <= set(log(path))
    assert any(kind == "failed" and "ValueError: a bug" in text for _, kind, text in said)


@posix
def test_what_can_pass_is_tried_again(catalogue):
    path = catalogue("dies", "full", languages=("es",))
    assert run(path).succeeded
    assert log(path).count("dies//prepare") == 2
    assert log(path).count("full/es/lips") == 3


def test_parts_of_a_long_film(catalogue):
    path = catalogue("long", languages=("es",))
    assert run(path).succeeded
    for name in (f"{'es' if step.per_language else ''}/{step.name}" for step in STEPS if step.splits):
        rows = [line for line in log(path) if line.startswith(f"long/{name}")]
        assert sorted(rows[:2]) == [f"long/{name}/1", f"long/{name}/2"]
        assert rows[2:] == [f"long/{name}"]


def test_two_runs_share_one_catalogue(catalogue):
    path = catalogue("a", "b", "c", "slow")
    other = threading.Thread(target=run, args=(path, 1))
    other.start()
    assert run(path, 1).succeeded
    other.join()
    assert sorted(log(path)) == expected("a", "b", "c", "slow"), "nothing twice"


_OTHER_RUN = """
import sys
from pathlib import Path
from dubkit.batch.run import run_catalogue
from tests.fakes.batch_work import work
if __name__ == "__main__":
    run_catalogue(Path(sys.argv[1]), 1, work=work)
"""


@posix
def test_a_killed_run_is_taken_over_at_once(catalogue, tmp_path):
    path = catalogue("slow", languages=("es",))
    script = tmp_path / "other.py"
    script.write_text(_OTHER_RUN)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    other = subprocess.Popen([sys.executable, str(script), str(path)], env=environment)
    deadline = time.monotonic() + 60
    while not (batch_folder(path) / "log.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    other.send_signal(signal.SIGKILL)
    other.wait()
    began = time.monotonic()
    assert run(path).succeeded
    assert time.monotonic() - began < 50, "no wait for the lease to run out"
    assert not list((batch_folder(path) / "runs").iterdir())


def test_ctrl_c_gives_the_task_back(catalogue):
    path = catalogue("slow", languages=("es",))

    def stop(task, event):
        if event.kind == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, listener=stop)
    ledger = batch.open_ledger(path)
    assert [unit.attempts for unit in status.units(ledger)] == [0, 0]
    assert ledger.take(["prepare"]).attempts == 1
    ledger.close()


def test_a_broken_project_file_is_a_row(tmp_path):
    (tmp_path / "x.dub.toml").write_text("schema = ")
    path = tmp_path / "c.csv"
    path.write_text("title,film,project,language,dialogue\nbad,,x.dub.toml,es,\ngood,g.mp4,,es,g.flac\n")
    summary = run(path, 1)
    assert [(unit.title, unit.language) for unit in summary.failed] == [("bad", "")]
    assert "not valid TOML" in summary.failed[0].error
    assert set(expected("good", languages=("es",))) <= set(log(path))


def test_a_gpu_that_is_not_there_is_said_before_a_wait(catalogue, tmp_path, monkeypatch):
    monkeypatch.setattr("dubkit.batch.local.gpu_memory", lambda: {})
    path = tmp_path / "c.toml"
    text = 'schema = "dubkit.catalogue/1"\n{}\n[[title]]\ntitle = "a"\nfilm = "a.mp4"\ntarget.es.dialogue = "a.flac"\n'
    for change, step in (
        ("resources.lips.gpu_gib = 8", "lips"),
        ('settings.speech.device = "cuda"', "speech"),
        ('settings.lips.device = "cuda:1"', "adapt"),
    ):
        path.write_text(text.format(change))
        failed = run(path, 1).failed[0]
        assert failed.step == step
        assert "GPU" in failed.error


def test_too_little_disk_stops_before_the_work(catalogue, monkeypatch):
    monkeypatch.setattr("dubkit.batch.work.RESERVE", 1 << 60)
    path = catalogue("a")
    with pytest.raises(StorageError, match="GiB are needed"):
        run(path)
    assert not (batch_folder(path) / "log.txt").exists()


def test_workers_get_their_share_of_the_cores(catalogue):
    path = catalogue("a", languages=("es",))
    summary = run(path, workers=os.cpu_count())
    assert {unit.facts.get("threads") for unit in summary.units if unit.language} == {"1"}


def test_what_the_catalogue_asks_reaches_the_worker(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('schema = "dubkit.catalogue/1"\nsplit_seconds = 77\nscore = false\nkeep_pieces = true\n[[title]]\n'
                    'title = "a"\nfilm = "a.mp4"\ntarget.es.dialogue = "a.flac"\n')  # fmt: skip
    asked = [unit.facts["asked"] for unit in run(path, 1).units if unit.language]
    assert asked == [{"split_seconds": 77, "score": False, "keep_pieces": True}]


def test_the_mark_of_a_dead_run_is_deleted_once_it_is_closed(tmp_path, monkeypatch):
    """Windows does not delete a file that is open."""
    mark, unlink = tmp_path / "run", Path.unlink

    def as_windows(path, **how):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout as error:
            raise PermissionError(13, "it is used by another process", str(path)) from error
        unlink(path, **how)

    monkeypatch.setattr(Path, "unlink", as_windows)
    with FileLock(mark):
        assert not batch._dead(mark)
    assert batch._dead(mark) and not mark.exists()
