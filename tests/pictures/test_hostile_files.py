"""A short form of the campaign that mutates picture files."""

import random

from campaigns import picture_fuzz


def test_mutated_pictures_raise_only_data_errors() -> None:
    figures = picture_fuzz.fuzz(170, seed=1)
    assert not figures["wrong"]
    assert figures["outcomes"]["rejected"] > 30
    assert figures["outcomes"]["letterboxed"] > 15


def test_mutations_are_a_function_of_the_seed() -> None:
    data = picture_fuzz.seeds()["PNG"]
    assert picture_fuzz.mutate(data, random.Random(3)) == picture_fuzz.mutate(data, random.Random(3))
