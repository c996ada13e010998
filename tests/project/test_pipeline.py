"""The pipeline runs what is stale and nothing else, and says why. Stages here are small ones made for the test."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dubkit.errors import InputError, ProjectError, StorageError
from dubkit.project import layers, pipeline, schema
from dubkit.project.stages import Stage
from dubkit.project.store import Store

PROJECT = """schema = "dubkit.project/1"
[source]
film = "film.mp4"
[target.es]
dialogue = "es.flac"
[target.fr]
dialogue = "fr.flac"
"""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A project folder and the list of stages that ran; stage 'b' can be told to fail."""
    for name, text in (("film.dub.toml", PROJECT), ("film.mp4", "film"), ("es.flac", "es"), ("fr.flac", "fr")):
        (tmp_path / name).write_text(text)
    log: list[tuple[str, str | None]] = []

    def step(name, text):
        def run(work):
            log.append((name, work.language))
            if (tmp_path / "fail").exists() and name == "b":
                raise InputError("b cannot")
            (work.folder / "out.txt").write_text(text(work))
            return [work.folder / "out.txt"]

        return run

    stages = (
        Stage("a", "", step("a", lambda w: "a" + w.project.film.read_text()), files=lambda p, s, lang: {"film": p.film}),
        Stage("b", "", step("b", lambda w: "b"), ("a",), ("lips.crossfade",)),
        Stage("c", "", step("c", lambda w: "c" + w.language), ("b",), per_language=True,
              files=lambda p, s, lang: {"dub": p.resolve(p.project.target[lang].dialogue)}),
        Stage("report", "", step("report", lambda w: "r"), ("c",), per_language=True),
    )  # fmt: skip
    monkeypatch.setattr(pipeline, "STAGES", stages)
    monkeypatch.setattr(pipeline.Pipeline, "outcome", lambda self, language: language)
    return tmp_path, log


def run(folder, languages=(), until=None, **flags):
    file = schema.load(folder / "film.dub.toml")
    settings, _ = layers.merged(file, flags={k.replace("__", "."): v for k, v in flags.items()})
    return pipeline.Pipeline(file, settings).run(languages, until)


def states(folder, **flags):
    file = schema.load(folder / "film.dub.toml")
    settings, _ = layers.merged(file, flags={k.replace("__", "."): v for k, v in flags.items()})
    return {(row.stage, row.language): row for row in pipeline.Pipeline(file, settings).status()}


def test_everything_once_then_nothing(ran):
    folder, log = ran
    run(folder)
    assert log == [("a", None), ("b", None), ("c", "es"), ("report", "es"), ("c", "fr"), ("report", "fr")]
    log.clear()
    run(folder)
    assert log == []
    assert {row.state for row in states(folder).values()} == {"done"}


def test_source_change_stops_where_bytes_are_the_same(ran):
    folder, log = ran
    run(folder)
    log.clear()
    (folder / "film.mp4").write_text("film 2")
    assert states(folder)[("a", None)].why == "input film changed"
    assert states(folder)[("b", None)].state == "waits"
    run(folder)
    assert log == [("a", None), ("b", None)]  # b gave the same bytes, so nothing after it is stale


def test_one_dub_changed(ran):
    folder, log = ran
    run(folder)
    log.clear()
    (folder / "es.flac").write_text("es 2")
    run(folder)
    assert log == [("c", "es")]


def test_a_dub_that_is_not_there_yet_does_not_hold_up_the_others(ran):
    folder, log = ran
    (folder / "fr.flac").unlink()
    run(folder, ["es"])
    assert log == [("a", None), ("b", None), ("c", "es"), ("report", "es")]
    (folder / "es.flac").unlink()
    run(folder, until="b")
    with pytest.raises(ProjectError, match=r"target.es.dialogue = 'es.flac'; target.fr.dialogue"):
        run(folder)


def test_a_stage_alone_says_what_it_misses(ran):
    folder, log = ran
    file = schema.load(folder / "film.dub.toml")
    one = pipeline.Pipeline(file, layers.merged(file)[0])
    with pytest.raises(ProjectError, match=r"what the stage b found is not in .*film.dubkit .*dubkit dub .* --until b"):
        one.bring("c", "es")
    run(folder, until="b")
    one.bring("c", "es")
    assert log[-1] == ("c", "es")


def test_one_line_of_a_long_dub_changed(ran, monkeypatch):
    folder, log = ran
    monkeypatch.setattr("dubkit.digest._BLOCK", 16)
    monkeypatch.setattr("dubkit.digest._BLOCKS", 4)
    stem = bytearray(1000)
    (folder / "es.flac").write_bytes(stem)
    run(folder)
    log.clear()
    stem[100] = 1  # where no block of a large file's digest looks
    (folder / "es.flac").write_bytes(stem)
    assert states(folder)[("c", "es")].why == "input dub changed"
    run(folder)
    assert log == [("c", "es")]


def test_setting_changed_and_why(ran):
    folder, log = ran
    run(folder)
    log.clear()
    row = states(folder, lips__crossfade=7)[("b", None)]
    assert (row.state, row.why) == ("stale", "setting lips.crossfade changed: 4 → 7")
    run(folder, lips__crossfade=7)
    assert log == [("b", None)]
    log.clear()
    run(folder, lips__batch_size=2, lips__crossfade=7)
    assert log == []  # nobody here reads the batch size


def test_a_killed_stage_finds_its_pieces_until_it_is_done_or_something_changes(ran, monkeypatch):
    folder, _ = ran
    made, killed = [], [3]

    def step(work):
        for i in range(5):
            if len(made) in killed:
                raise KeyboardInterrupt
            work.pieces(f"piece {i}", lambda i=i: made.append(i))
        (work.folder / "out.txt").write_text("b")
        return [work.folder / "out.txt"]

    stages = tuple(replace(stage, run=step) if stage.name == "b" else stage for stage in pipeline.STAGES)
    monkeypatch.setattr(pipeline, "STAGES", stages)
    unfinished = folder / "film.dubkit" / "b" / pipeline.UNFINISHED

    def stopped(**flags):
        made.clear()
        with pytest.raises(KeyboardInterrupt):
            run(folder, until="b", **flags)
        return unfinished.exists()

    assert stopped()
    made.clear()
    killed.clear()
    run(folder, until="b")
    assert made == [3, 4] and not unfinished.exists()
    killed.append(3)
    assert stopped(lips__crossfade=7)
    made.clear()
    killed.clear()
    run(folder, until="b", lips__crossfade=8)  # what was kept belongs to other settings
    assert made == [0, 1, 2, 3, 4] and not unfinished.exists()


def test_failure_keeps_what_was_done(ran):
    folder, log = ran
    (folder / "fail").touch()
    with pytest.raises(InputError, match="b cannot"):
        run(folder)
    assert states(folder)[("b", None)].state == "failed"
    assert states(folder)[("b", None)].why == "b cannot"
    (folder / "fail").unlink()
    log.clear()
    run(folder)
    assert ("a", None) not in log


def test_output_deleted_or_edited(ran):
    folder, log = ran
    run(folder)
    log.clear()
    (folder / "film.dubkit" / "b" / "out.txt").unlink()
    assert "missing" in states(folder)[("b", None)].why
    (folder / "film.dubkit" / "a" / "out.txt").write_text("edited")
    assert "changed by someone" in states(folder)[("a", None)].why
    run(folder)
    assert log == [("a", None), ("b", None)]


def test_half_written_stage_runs_again(ran):
    folder, log = ran
    run(folder)
    (folder / "film.dubkit" / "b" / "record.json").write_text('{"stage": "b", "sta')
    log.clear()
    run(folder)
    assert log == [("b", None)]


def test_until_and_languages(ran):
    folder, log = ran
    run(folder, until="b")
    assert log == [("a", None), ("b", None)]
    run(folder, ["fr"])
    assert log[2:] == [("c", "fr"), ("report", "fr")]
    with pytest.raises(ProjectError, match="no \\[target.de\\]"):
        run(folder, ["de"])
    with pytest.raises(ProjectError, match="no stage 'z'"):
        run(folder, until="z")


def test_two_runs_at_once(ran):
    folder, _ = ran
    with Store(folder / "film.dubkit").lock(), pytest.raises(StorageError, match="another dubkit run"):
        run(folder)
    run(folder)


def test_moved_project_stays_fresh(ran, tmp_path_factory):
    folder, log = ran
    run(folder)
    log.clear()
    new = tmp_path_factory.mktemp("moved") / "elsewhere with spaces"
    folder.rename(new)
    run(new)
    assert log == []


def test_record_is_readable(ran):
    folder, _ = ran
    run(folder)
    record = json.loads((folder / "film.dubkit" / "es" / "c" / "record.json").read_text())
    assert record["stage"] == "c"
    assert record["state"] == "done"
    assert set(record["inputs"]) == {"b", "dub"}
    assert set(record["outputs"]) == {"out.txt"}
    assert not list(Path(folder).rglob("*.part*"))


def test_weights_that_are_missing_or_do_not_fit_are_told_before_any_work(ran, monkeypatch):
    folder, log = ran

    def weights(settings):
        raise InputError("these weights do not fit")

    last = pipeline.STAGES[2]
    monkeypatch.setattr(pipeline, "STAGES", (*pipeline.STAGES[:2], replace(last, weights=weights), pipeline.STAGES[3]))
    with pytest.raises(InputError, match="do not fit"):
        run(folder)
    assert log == []
    run(folder, until="b")  # as far as they are not wanted
    assert [name for name, _ in log] == ["a", "b"]
