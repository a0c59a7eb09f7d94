"""Numbers are never rounded to a claim that they do not support."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstroke.report.html.words import count, decimal, duration, percent, size


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.9857, "98.57 %"),
        (1.0, "100.00 %"),
        (0.99999, "> 99.99 %"),
        (1e-7, "< 0.01 %"),
        (0.0, "0.00 %"),
        (None, "undefined"),
        (float("nan"), "undefined"),
    ],
)
def test_percent(share: float | None, text: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == text


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(0, 3))
def test_only_everything_is_100_percent_and_only_nothing_0(share: float, digits: int) -> None:
    text = percent(share, digits)
    assert (text.startswith("100")) == (share == 1)
    assert (float(text[:-2].lstrip("<>\N{NO-BREAK SPACE}")) == 0) == (share == 0)


def test_other_numbers() -> None:
    plain = [
        text.replace("\N{NO-BREAK SPACE}", " ") for text in (size(999), size(9912422), duration(3.21), duration(236))
    ]
    assert plain == ["999 bytes", "9.9 MB", "3.2 s", "4 min"]
    assert (count(1, "image"), count(60000, "image"), count(2, "class", "classes")) == (
        "1 image",
        "60,000 images",
        "2 classes",
    )
    assert (decimal(None), decimal(0.5, 2)) == ("undefined", "0.50")
