"""Random numbers are a function of seed, epoch and step only."""

import numpy as np
import torch

from penstroke.runtime import derived_seed, seed_step


def drawn() -> list[float]:
    return torch.rand(3).tolist()


def test_a_derived_seed_depends_on_every_number_and_their_order() -> None:
    keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (0, 1, 2), (0, 2, 1), (2**63, 1)]
    seeds = [derived_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_derived_seeds_never_change() -> None:
    # Other values would change every trained model.
    assert derived_seed(0) == 5263075011782779848
    assert derived_seed(0, 1, 2) == 10917752987982246961


def test_derived_seeds_differ_in_the_low_bits() -> None:
    # PyTorch's CPU generator uses only these bits.
    assert len({derived_seed(0, 1, step) & 0xFFFFFFFF for step in range(1000)}) == 1000


def test_integers_of_numpy_give_the_same_seed() -> None:
    assert derived_seed(np.int64(3), np.int32(1), np.uint8(2)) == derived_seed(3, 1, 2)  # type: ignore[arg-type]


def test_a_step_has_its_own_random_numbers() -> None:
    numbers = {}
    for key in [(0, 1, 1), (0, 1, 2), (0, 2, 1), (1, 1, 1)]:
        seed_step(*key)
        numbers[key] = drawn()
    assert len(set(map(tuple, numbers.values()))) == len(numbers)


def test_random_numbers_do_not_depend_on_what_ran_before() -> None:
    seed_step(0, 1, 7)
    first = drawn()
    torch.manual_seed(99)
    torch.rand(1000)
    seed_step(0, 1, 7)
    assert drawn() == first
