"""The values of ``--range``."""

import pytest

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.experiments.ranges import Range, applicable, check_ranges, parse_range, value_of


@pytest.mark.parametrize(
    ("text", "expected", "log"),
    [
        ("lr=0.01..1", Range("lr", 0.01, 1.0), True),
        ("hidden=32..128", Range("hidden", 32, 128), False),
        ("batch-size=8..256", Range("batch_size", 8, 256), True),
        ("distortion=0..1", Range("distortion", 0.0, 1.0), False),
        ("channels=8x16,16x32", Range("channels", choices=("8x16", "16x32")), False),
        ("optimizer=adam,sgd", Range("optimizer", choices=("adam", "sgd")), False),
    ],
)
def test_ranges_are_intervals_or_choices(text: str, expected: Range, log: bool) -> None:
    found = parse_range(text)
    assert found == expected
    assert found.log is log
    assert parse_range(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "must name a field"),
        ("lr=1..0.1", "first value must be less"),
        ("lr=0.1", "at least two different values"),
        ("lr=0.1,0.10", "at least two different values"),
        ("channels=1..2", "no interval of numbers"),
        ("seed=1..2", "use --seeds"),
        ("lrr=1..2", "unknown"),
        ("epochs=1..2.5", "must be a whole number"),
    ],
)
def test_invalid_text_is_rejected(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_range(text)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "--range is missing"),
        (["lr=1..2", "lr=3..4"], "two ranges"),
        (["momentum=0..0.9"], "does not apply to book"),
        (["hidden=0..8"], "hidden is 0"),
        (["optimizer=adam,madam"], "'madam', which is unknown"),
    ],
)
def test_ranges_must_be_valid_in_some_recipe(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_ranges(recipes.book(), tuple(map(parse_range, texts)))


def test_fields_apply_to_the_kinds_that_have_them() -> None:
    ranges = tuple(map(parse_range, ["optimizer=adam,sgd", "momentum=0..0.9", "lr=0.001..0.1"]))
    check_ranges(recipes.book(), ranges)
    fields = [[found.field for found in applicable(recipes.book(), ranges, {"optimizer": k})] for k in ("adam", "sgd")]
    assert fields == [["lr"], ["momentum", "lr"]]


def test_numbers_have_four_digits_and_stay_within_the_range() -> None:
    assert value_of(Range("lr", 0.01, 1.0), 0.123456) == 0.1235
    assert value_of(Range("momentum", 0.0, 0.99999), 0.999989) == 0.99999
    assert value_of(Range("hidden", 1, 65_536), 12_345) == 12_345
    assert value_of(Range("channels", choices=("8x16",)), "8x16") == (8, 16)
