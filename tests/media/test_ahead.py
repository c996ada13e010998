"""Working ahead: same items, same order, same errors, and nothing is left running."""

import threading

import pytest

from dubkit.media.ahead import ahead


def running() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


def test_same_items_in_the_same_order():
    with ahead(iter(range(100)), 3) as items:
        assert list(items) == list(range(100))
    assert not running()


def test_no_more_than_asked_for_is_made_ahead():
    made = []

    def counted():
        for n in range(50):
            made.append(n)
            yield n

    with ahead(counted(), 3) as items:
        for n in items:
            assert len(made) <= n + 1 + 3 + 1  # those taken, those that wait, and the one in the maker's hand
            if n == 20:
                break
    assert len(made) < 30 and not running()


def test_an_error_comes_where_it_would_have_come():
    def broken():
        yield 1
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"), ahead(broken()) as items:
        seen.extend(iter(items.__next__, None))
    assert seen == [1] and not running()


def test_leaving_early_closes_what_was_read():
    closed = []

    def film():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt), ahead(film()) as items:
        next(items)
        raise KeyboardInterrupt
    assert closed == [True] and not running()
