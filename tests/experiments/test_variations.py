"""The values of ``--vary``: every type of field, and messages for what is invalid."""

import pytest

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.experiments import parse_variation
from penstroke.experiments.variations import parse_value, value_text


@pytest.mark.parametrize(
    ("text", "fields", "choices"),
    [
        ("lr=0.1,0.5", ("lr",), ((0.1,), (0.5,))),
        ("batch-size=4,32", ("batch_size",), ((4,), (32,))),
        ("channels=8x16, 16x32", ("channels",), (((8, 16),), ((16, 32),))),
        ("dropout=0x0,0.1x0.25", ("dropout",), (((0.0, 0.0),), ((0.1, 0.25),))),
        ("mean=none,0.1302", ("mean",), ((None,), (0.1302,))),
        ("test_each_epoch=yes", ("test_each_epoch",), ((True,),)),
        ("optimizer:lr=adam:1e-3,sgd:0.05", ("optimizer", "lr"), (("adam", 0.001), ("sgd", 0.05))),
    ],
)
def test_values_have_the_type_of_their_field(text: str, fields: tuple[str, ...], choices: object) -> None:
    found = parse_variation(text)
    assert found.fields == fields
    assert found.choices == choices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "must name a field and its values"),
        ("=1", "must name a field and its values"),
        ("lr=", "must name a field and its values"),
        ("lrr=1", "'lrr', which is unknown"),
        ("seed=1,2", "use --seeds"),
        ("name=a,b", "cannot be varied"),
        ("lr=a", "lr is 'a'; it must be a number"),
        ("epochs=1.5", "must be a whole number"),
        ("channels=8xx", "several joined by x"),
        ("test_each_epoch=1", "must be yes or no"),
        ("lr=0.1,0.10", "the value 0.1 twice"),
        ("lr:lr=1:2", "a field twice"),
        ("optimizer:lr=adam", "1 values for 2 fields"),
    ],
)
def test_invalid_text_is_rejected_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_variation(text)


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_text_of_every_field_of_every_recipe_is_read_back(name: str) -> None:
    flat = recipes.get(name).flat()
    for option in recipes.options():
        if option.name in flat:
            assert parse_value(option, value_text(flat[option.name])) == flat[option.name], option.name
