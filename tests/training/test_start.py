"""The validation split: the dataset's own, or a part of the training images."""

from dataclasses import replace

from penstroke.data import Dataset
from penstroke.recipes.parts import Validation
from penstroke.training.start import split_validation


def test_the_validation_split_of_the_dataset_is_used(small: Dataset) -> None:
    own = Dataset(
        small.card,
        small.train,
        lambda: small.test,
        requested="x",
        load_validation=lambda: replace(small.test, name="validation"),
    )
    validation = Validation(share=0.1, seed=0)
    train, part = split_validation(own, validation)
    assert train is own.train
    assert part is own.validation
    assert part is not None
    assert split_validation(own, None) == (own.train, None)
    rest, divided = split_validation(small, validation)
    assert divided
    assert len(rest) + len(divided) == len(small.train)
