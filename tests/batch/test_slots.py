"""Cores and cards are never given away twice, and never left idle while something fits."""

import os

from dubkit.batch.graph import Need
from dubkit.batch.local import _environment
from dubkit.batch.slots import Slots, gpu_memory


def fill(slots, *wanted):
    grants = []
    for need in wanted:
        grant = slots.place(need)
        grants.append(grant)
        if grant:
            slots.hold(grant)
    return grants


def test_workers_and_cores_limit():
    slots = Slots(workers=4, cpus=8)
    assert [bool(grant) for grant in fill(slots, *[Need(2)] * 5)] == [True] * 4 + [False]
    slots = Slots(workers=2, cpus=2)
    assert [grant.cpus for grant in fill(slots, Need(8), Need(2))] == [1.0, 1.0], "so that two can run on two cores"
    assert Slots(workers=4, cpus=1).place(Need(1)), "one core still does one job"


def test_a_card_is_never_over_full_and_a_job_goes_where_it_fits_best():
    slots = Slots(workers=8, cpus=16, gpus={"0": 24.0, "1": 8.0})
    grants = fill(slots, Need(1, 6.0), Need(1, 6.0), Need(1, 16.0), Need(1, 3.0))
    assert [grant and grant.gpu for grant in grants] == ["1", "0", "0", None]
    assert slots.place(Need(1)), "a job without a card goes on beside them"
    slots.free(grants[0])
    assert slots.place(Need(1, 3.0)).gpu == "1"


def test_what_can_never_fit_is_said():
    assert "there is none" in Slots(1, 1).refuses(Need(1, 2.0))
    assert "largest has 8 GiB" in Slots(1, 1, {"0": 8.0}).refuses(Need(1, 9.0))
    assert Slots(1, 1, {"0": 8.0}).refuses(Need(64, 8.0)) is None


def test_a_worker_sees_the_card_that_was_counted(monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    with _environment("1", 2, has_gpus=True):
        assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")
    assert "CUDA_DEVICE_ORDER" not in os.environ


def test_cards_are_counted_with_memory_of_their_own(monkeypatch):
    said = b"0, GPU-a, 81559\n1, GPU-b, 24576\n2, GPU-c, [N/A]\n"
    monkeypatch.setattr("dubkit.process.run", lambda *_, **__: said)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert {card: round(gib) for card, gib in gpu_memory().items()} == {"0": 80, "1": 24}
    for allowed, seen in (("1", ["1"]), ("GPU-a, 1", ["0", "1"]), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        assert list(gpu_memory()) == seen
