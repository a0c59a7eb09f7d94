"""Learning rate schedules."""

from itertools import pairwise

from penstroke.recipes.parts import Constant, OneCycle, StepDecay
from penstroke.training.schedules import lr_factor, scaling_factor


def test_constant() -> None:
    assert {lr_factor(Constant(), done / 10, 2) for done in range(10)} == {1.0}


def test_step_decay_changes_after_each_epoch() -> None:
    schedule = StepDecay(lr_decay=0.5)
    assert [lr_factor(schedule, done, 4) for done in (0, 0.24, 0.25, 0.5, 0.99)] == [1, 1, 0.5, 0.25, 0.125]


def test_one_cycle_rises_then_falls() -> None:
    cycle = [lr_factor(OneCycle(warmup=0.25), done / 100, 1) for done in range(101)]
    assert max(cycle) == cycle[25] == 1
    assert (cycle[0], cycle[100]) == (0, 0)
    assert all(after > before for before, after in pairwise(cycle[:26]))
    assert all(after < before for before, after in pairwise(cycle[25:]))
    assert lr_factor(OneCycle(warmup=0.0), 0.0, 1) == 1


def test_the_factor_of_several_processes_rises_from_one() -> None:
    assert [scaling_factor("linear", 0.2, 8, done) for done in (0.0, 0.1, 0.2, 1.0)] == [1, 4.5, 8, 8]
    assert [scaling_factor("sqrt", 0.5, 4, done) for done in (0.0, 0.25, 0.5)] == [1, 1.5, 2]
    assert scaling_factor("linear", 0.0, 8, 0.0) == 8
    assert scaling_factor("none", 0.1, 8, 1.0) == scaling_factor("linear", 0.1, 1, 0.5) == 1
