"""The background thread changes nothing but the time."""

import threading
import time

import pytest

from dubkit.lips.ahead import ahead


def test_same_items_same_order_and_never_far_ahead():
    made = []

    def items():
        for n in range(50):
            made.append(n)
            yield n

    for n in ahead(items(), 3):
        time.sleep(0.001)
        assert len(made) <= n + 6
    assert made == list(range(50)) and n == 49


def test_an_error_comes_where_it_happened():
    def items():
        yield 1
        raise ValueError("broken film")

    seen = []
    with pytest.raises(ValueError, match="broken film"):
        for n in ahead(items(), 4):
            seen.append(n)
    assert seen == [1]


def test_leaving_early_stops_the_thread():
    before = threading.active_count()
    for n in ahead(iter(range(10**9)), 2):
        if n == 3:
            break
    for _ in range(50):
        if threading.active_count() == before:
            return
        time.sleep(0.02)
    raise AssertionError("the thread still runs")
