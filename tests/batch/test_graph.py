"""The task graph holds every stage of the pipeline once, in an order that the pipeline allows."""

import pytest

from dubkit.batch.graph import STEPS, Need, downstream, needs, part_ranges
from dubkit.project.stages import STAGE, STAGES


def test_every_stage_is_in_one_step():
    assert sorted(stage for step in STEPS for stage in step.stages) == sorted(stage.name for stage in STAGES)


def test_a_step_comes_after_the_steps_of_what_its_stages_need():
    home = {stage: step for step in STEPS for stage in step.stages}
    above = {
        step.name: {other.name for other in STEPS if STEPS.index(step) in downstream(other.name)} for step in STEPS
    }
    for step in STEPS:
        for stage in step.stages:
            assert STAGE[stage].per_language == step.per_language
            for need in STAGE[stage].needs:
                assert home[need] is step or home[need].name in above[step.name], f"{stage} needs {need}"


def test_a_step_that_splits_has_a_stage_that_can():
    for step in STEPS:
        assert step.splits == bool(step.stages and STAGE[step.stages[0]].part)


@pytest.mark.parametrize(("seconds", "count"), [(5, 0), (300, 0), (449, 0), (451, 2), (3600, 12), (3601, 13)])
def test_parts_cover_the_film(seconds, count):
    ranges = part_ranges(seconds * 25, seconds, 300.0)
    assert len(ranges) == count
    if ranges:
        assert ranges[0][0] == 0
        assert ranges[-1][1] == seconds * 25
        assert all(a[1] == b[0] for a, b in zip(ranges, ranges[1:], strict=False))


def test_what_steps_need():
    assert needs({}, gpus=True)["lips"].gpu_gib > 0
    assert needs({}, gpus=False)["lips"].gpu_gib == 0
    changed = {"lips": {"cpus": 5.0, "gpu_gib": None}, "speech": {"cpus": None, "gpu_gib": 9.0}}
    assert needs(changed, gpus=False)["lips"] == Need(5.0, 0.0)
    assert needs(changed, gpus=False)["speech"].gpu_gib == 9.0, "asked for by name: not forgotten, but refused"


def test_the_last_step_comes_after_all_others():
    last = len(STEPS) - 1
    assert all(last in downstream(step.name) for step in STEPS[:-1]), "a dub is counted as done when it is"
    assert STEPS[last].per_language
