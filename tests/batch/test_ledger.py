"""The ledger: order, leases, retries, and that two runs never take one task."""

from dubkit.batch.ledger import LEASE, SOURCE, Ledger, Task


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def tasks(*titles, languages=("es",)):
    return [Task(t, lang, digest="d") for t in titles for lang in (SOURCE, *languages)]


def test_source_first_then_dubs(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite", "me", Clock())
    ledger.plan(tasks("a", "b", languages=("es", "fr")))
    first = ledger.take()
    assert (first.title, first.language) == ("a", SOURCE)
    assert ledger.take().title == "b"
    assert ledger.take() is None, "no dub before its source side is done"
    ledger.finish(first, 1.0)
    assert ledger.take().language == "es"
    assert ledger.take().language == "fr"


def test_priority_wins(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite", "me", Clock())
    ledger.plan([Task("a", SOURCE), Task("b", SOURCE, priority=3)])
    assert ledger.take().title == "b"


def test_two_runs_share_and_a_dead_one_is_replaced(tmp_path):
    clock = Clock()
    one, two = (Ledger(tmp_path / "l.sqlite", name, clock) for name in ("one", "two"))
    one.plan([Task("a", SOURCE)])
    assert one.take().title == "a"
    assert two.take() is None
    clock.now += LEASE - 1
    one.renew()
    clock.now += 2
    assert two.take() is None
    clock.now += LEASE
    assert two.take().attempts == 2


def test_failure_takes_its_dubs_along_and_retry_waits(tmp_path):
    clock = Clock()
    ledger = Ledger(tmp_path / "l.sqlite", "me", clock)
    ledger.plan(tasks("a"))
    ledger.fail(ledger.take(), "disk", 1.0, retry_after=5.0)
    assert ledger.take() is None
    assert ledger.next_wait() == 0.0 or ledger.next_wait() == 5.0
    clock.now += 6
    ledger.fail(ledger.take(), "bad film", 1.0, retry_after=None)
    assert ledger.counts() == {"failed": 2}
    assert "bad film" in ledger.tasks()[1].error


def test_replanning_keeps_done_work(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite", "me", Clock())
    ledger.plan(tasks("a"))
    for _ in range(2):
        ledger.finish(ledger.take(), 1.0)
    ledger.plan(tasks("a", "b"))
    assert [(t.title, t.state) for t in ledger.tasks()] == [
        ("a", "done"),
        ("a", "done"),
        ("b", "waiting"),
        ("b", "waiting"),
    ]
    ledger.plan([Task("a", SOURCE, digest="d"), Task("a", "es", digest="new")])
    assert [(t.language, t.state) for t in ledger.tasks()] == [(SOURCE, "done"), ("es", "waiting")]


def test_stopped_work_waits_again(tmp_path):
    ledger = Ledger(tmp_path / "l.sqlite", "me", Clock())
    ledger.plan([Task("a", SOURCE)])
    ledger.give_back(ledger.take())
    assert ledger.take().attempts == 1
