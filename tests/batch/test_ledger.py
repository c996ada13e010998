"""The ledger: order, leases, retries, parts, and that two runs never take one task."""

import pytest

from dubkit.batch import status
from dubkit.batch.graph import NUMBER, STEPS, downstream
from dubkit.batch.ledger import LEASE, SOURCE, Ledger, Task, Unit
from dubkit.errors import StorageError

ALL = tuple(NUMBER)
SOURCE_STEPS = [step.name for step in STEPS if not step.per_language]
DUB_STEPS = [step.name for step in STEPS if step.per_language]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    return Ledger(tmp_path / "l.sqlite", "me", clock)


def units(*titles, languages=("es",), digest="d"):
    return [Unit(title, language, digest=digest) for title in titles for language in (SOURCE, *languages)]


def run(ledger, facts=lambda task: {}, steps=ALL, most=1000):
    """Does everything that can be done; the tasks in order as (title, language, step, part)."""
    done = []
    while len(done) < most and (task := ledger.take(steps)):
        done.append((task.title, task.language, task.step, task.part))
        assert ledger.finish(task, 1.0, 2.0, facts(task))
    return done


def test_a_step_comes_after_all_that_it_needs(ledger):
    ledger.plan(units("a", languages=("es", "fr")))
    order = [(language, step) for _, language, step, _ in run(ledger)]
    assert len(order) == len(set(order)) == len(SOURCE_STEPS) + 2 * len(DUB_STEPS)
    for step in STEPS:
        for language in ("es", "fr") if step.per_language else ("",):
            for before in step.after:
                own = language if STEPS[NUMBER[before]].per_language else ""
                assert order.index((own, before)) < order.index((language, step.name))
    assert not ledger.open()
    assert status.counts(ledger) == {"done": 2, "running": 0, "waiting": 0, "failed": 0}


def test_speech_and_faces_may_run_together(ledger):
    ledger.plan(units("a"))
    ledger.finish(ledger.take(ALL), 1, 1, {})
    assert {ledger.take(ALL).step, ledger.take(ALL).step} == {"speech", "faces"}, "both come after prepare alone"
    assert ledger.take(ALL) is None


def test_only_steps_that_fit_are_taken(ledger):
    ledger.plan(units("a"))
    assert ledger.take(("lips", "render")) is None
    assert ledger.take([]) is None
    assert ledger.take(("prepare",)).step == "prepare"


def test_priority_first_then_what_is_nearest_to_its_end(ledger):
    ledger.plan([*units("a"), *units("b")])
    run(ledger, most=3)
    ledger.plan([*units("a"), *units("b"), Unit("c", SOURCE, priority=3)])
    first = ledger.take(ALL)
    assert first.title == "c"
    ledger.give_back(first)
    ledger.plan([*units("a"), *units("b")])
    second = ledger.take(ALL)
    assert (second.title, NUMBER[second.step] > 0) == ("a", True), "a title that is under way goes before a new one"


def test_two_runs_share_and_a_dead_one_is_replaced(tmp_path, clock):
    one, two = (Ledger(tmp_path / "l.sqlite", name, clock) for name in ("one", "two"))
    one.plan(units("a"))
    task = one.take(ALL)
    assert two.take(ALL) is None
    assert two.open(), "another run works on it"
    clock.now += LEASE - 1
    one.renew()
    clock.now += 2
    two.renew()
    assert two.take(ALL) is None
    clock.now += LEASE
    two.renew()
    assert two.take(ALL).attempts == 2
    assert not one.finish(task, 1, 1, {}), "its lease is lost, and the other run's result counts"
    assert two.owners() == []
    assert one.owners() == ["two"]
    one.release("two")
    assert one.take(ALL).step == "prepare"


def test_failure_takes_along_what_comes_after_and_nothing_else(ledger, clock):
    ledger.plan(units("a", "b", languages=("es", "fr")))
    ledger.fail(ledger.take(ALL), "disk", 1, 1, retry_after=5.0)
    run(ledger, steps=("prepare",))
    assert ledger.open(), "b is done as far as wanted, a waits"
    clock.now += 6
    ledger.fail(ledger.take(("prepare",)), "bad film", 1, 1, retry_after=None)
    assert status.source_error(ledger, "a") == "bad film"
    run(ledger)
    assert status.counts(ledger) == {"done": 2, "running": 0, "waiting": 0, "failed": 2}
    assert not ledger.open()


def test_a_failed_dub_leaves_the_others(ledger):
    ledger.plan(units("a", languages=("es", "fr")))
    while task := ledger.take(ALL):
        if (task.language, task.step) == ("es", "voice"):
            ledger.fail(task, "no voice", 1, 1, None)
        else:
            ledger.finish(task, 1, 1, {})
    assert status.counts(ledger) == {"done": 1, "running": 0, "waiting": 0, "failed": 1}
    ledger.plan(units("a", languages=("es", "fr")))
    assert [row[1:3] for row in run(ledger)] == [("es", "voice"), ("es", "lips"), ("es", "render"), ("es", "score")]


def test_replanning_keeps_done_work(ledger):
    ledger.plan(units("a"))
    run(ledger)
    ledger.plan(units("a", "b"))
    assert {row[0] for row in run(ledger)} == {"b"}, "a title that is added is all that runs"
    ledger.plan(units("a", "b", languages=("es", "fr")))
    assert {(row[0], row[1]) for row in run(ledger)} == {("a", "fr"), ("b", "fr")}, "so is a language"
    ledger.plan(units("b", languages=("fr",)))
    assert status.counts(ledger)["done"] == 1
    ledger.plan([*units("b", languages=("fr",), digest="new"), *units("c")])
    assert sorted({row[:2] for row in run(ledger)}) == [("b", ""), ("b", "fr"), ("c", ""), ("c", "es")]


def test_a_changed_dub_leaves_the_source_side(ledger):
    ledger.plan(units("a"))
    run(ledger)
    ledger.plan([Unit("a", SOURCE, digest="d"), Unit("a", "es", digest="new")])
    assert [row[2] for row in run(ledger)] == DUB_STEPS


def test_a_long_film_is_split_and_joined(ledger):
    ledger.plan(units("a"))
    ran = run(ledger, lambda task: {"seconds": 8.0, "parts": [[0, 50], [50, 100]]} if task.step == "prepare" else {})
    for step in STEPS:
        rows = [part for _, _, name, part in ran if name == step.name]
        assert rows == ([1, 2, 0] if step.splits else [0])
    ledger.plan(units("a", languages=("es", "fr")))
    assert [row[3] for row in run(ledger) if row[2] == "lips"] == [1, 2, 0], "also for a language that is added"


def test_parts_know_their_frames(ledger):
    ledger.plan(units("a"))
    ledger.finish(ledger.take(ALL), 1, 1, {"parts": [[0, 50], [50, 100]]})
    assert [ledger.take(("faces",)).frames for _ in range(2)] == [(0, 50), (50, 100)]
    assert ledger.take(("faces",)) is None, "the step itself waits for its parts"


def test_a_failed_part_fails_its_step(ledger):
    ledger.plan(units("a"))
    ledger.finish(ledger.take(ALL), 1, 1, {"parts": [[0, 50], [50, 100]]})
    ledger.fail(ledger.take(("faces",)), "broken", 1, 1, None)
    assert [row[2:] for row in run(ledger)] == [("faces", 2), ("speech", 0)]
    assert status.counts(ledger)["failed"] == 1
    assert not ledger.open()


def test_stopped_work_waits_again(ledger):
    ledger.plan(units("a"))
    ledger.give_back(ledger.take(ALL))
    assert ledger.take(ALL).attempts == 1


def test_history_counts_only_what_ran(ledger):
    ledger.plan(units("a"))
    ledger.finish(ledger.take(ALL), 1, 5, {"seconds": 10.0})
    ledger.finish(ledger.take(("speech",)), 3, 20, {"ran": True})
    ledger.finish(ledger.take(("faces",)), 0.1, 0.1, {"ran": False})
    assert status.history(ledger) == {"prepare": 0.5, "speech": 2.0}


def test_status_rows(ledger):
    ledger.plan(units("a", "b"))
    ledger.fail(ledger.take(ALL), "bad film", 1, 2, None)
    ledger.take(ALL)
    rows = {(row.title, row.language): row for row in status.units(ledger)}
    assert (rows["a", ""].state, rows["a", ""].step, rows["a", ""].error) == ("failed", "prepare", "bad film")
    assert (rows["a", "es"].state, rows["b", ""].state, rows["b", "es"].state) == ("failed", "running", "waiting")
    assert {row.title for row in status.units(ledger, "active")} == {"a", "b"}


def test_another_kind_of_ledger_is_refused_by_name(tmp_path):
    import sqlite3

    path = tmp_path / "l.sqlite"
    old = sqlite3.connect(path)
    old.execute("CREATE TABLE task (title TEXT)")
    old.commit()
    old.close()
    with pytest.raises(StorageError, match="delete it"):
        Ledger(path, "me")
    path.write_bytes(b"this is no database, " * 100)
    with pytest.raises(StorageError, match="cannot be used"):
        Ledger(path, "me")


def test_downstream():
    names = {STEPS[number].name for number in downstream("faces")}
    assert names == {"cast", "adapt", "voice", "lips", "render", "score"}
    assert Task("a", "", "prepare").part == 0
