"""The choice of fonts: installed fonts are found by their characters; what none has is replaced."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from penstroke.report import fonts
from penstroke.report.fonts import DEFAULT, PLACEHOLDER, choose_font


def test_latin_greek_and_cyrillic_names_use_the_default_font() -> None:
    font = choose_font(["seven", "семь", "επτά"])
    assert (font.families, font.missing) == ((DEFAULT,), frozenset())
    assert font.names(["семь"]) == ["семь"]


def test_what_no_font_has_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    fonts._choose.cache_clear()
    font = choose_font(["七", "8"])
    assert font.missing == {"七"}
    assert font.names(["七", "8"]) == ["class 0", "8"]
    assert font.text("七.png") == f"{PLACEHOLDER}.png"
    fonts._choose.cache_clear()


def test_an_installed_font_is_found_by_its_characters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    default = font_manager.findfont(DEFAULT)
    symbols = next(entry for entry in font_manager.fontManager.ttflist if entry.name == "STIXGeneral")
    letter = next(chr(code) for code in range(0x1D400, 0x1D800) if not has(default, code) and has(symbols.fname, code))
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    listed = [
        *(entry for entry in font_manager.fontManager.ttflist if entry.name == DEFAULT),
        replace(symbols, name="Damaged", fname=str(damaged)),
        replace(symbols, name="Last Resort High-Efficiency"),
        symbols,
    ]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", listed)
    fonts._choose.cache_clear()
    font = choose_font([letter])
    fonts._choose.cache_clear()
    assert font.families == (DEFAULT, "STIXGeneral")
    assert font.files == (default, symbols.fname)
    assert font.names([letter]) == [letter]
    figure = Figure()
    figure.text(0.1, 0.5, f"{letter}7 $x$", **font.style)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def has(path: str, code: int) -> bool:
    return bool(FT2Font(path).get_char_index(code))
