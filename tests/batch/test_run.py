"""A catalogue runs to its end whatever single titles do. The work is a fake; processes, ledger and retries are real."""

import os

import pytest

from dubkit.batch import run as batch
from tests.fakes.batch_work import work


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
    return (batch.batch_folder(path) / "log.txt").read_text().split()


def test_all_once_then_only_the_new(catalogue):
    path = catalogue("a", "b")
    assert batch.run_catalogue(path, workers=2, work=work).succeeded
    assert sorted(log(path)) == ["a/", "a/es", "a/fr", "b/", "b/es", "b/fr"]
    path = catalogue("a", "b", "c")
    assert batch.run_catalogue(path, workers=2, work=work).succeeded
    assert sorted(log(path)[6:]) == ["c/", "c/es", "c/fr"]


def test_a_corrupt_title_is_a_row(catalogue):
    path = catalogue("a", "corrupt", "z")
    summary = batch.run_catalogue(path, work=work)
    assert not summary.succeeded
    assert {t.title for t in summary.failed} == {"corrupt"}
    assert log(path).count("corrupt/") == 1, "a bad file is not tried again"
    assert "z/fr" in log(path)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_what_can_pass_is_tried_again(catalogue):
    path = catalogue("dies", "full", languages=("es",))
    assert batch.run_catalogue(path, workers=2, work=work).succeeded
    assert log(path).count("dies/") == 2
    assert log(path).count("full/es") == 3
