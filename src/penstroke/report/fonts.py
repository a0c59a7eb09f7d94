"""Fonts for names in any script: the choice of an installed font that has the characters of a text.

Matplotlib's default font has the Latin, Greek, Cyrillic and Arabic scripts, among others, but not the Chinese and
Japanese ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

DEFAULT = "DejaVu Sans"
"""The font bundled with matplotlib."""
UNSUITABLE = ("Last Resort", "Emoji")
"""Parts of the names of fonts that have many characters but do not draw them as text."""
PLACEHOLDER = "\N{WHITE SQUARE}"


@dataclass(frozen=True)
class Font:
    """A choice of fonts for some texts.

    Args:
        families: names of fonts, in the order in which matplotlib looks for a character.
        files: the files of these fonts.
        missing: characters that none of them has.
    """

    families: tuple[str, ...]
    files: tuple[str, ...]
    missing: frozenset[str]

    @property
    def style(self) -> dict[str, Any]:
        """Arguments of matplotlib's text functions. A dollar sign does not start a formula."""
        return {"fontfamily": list(self.families), "parse_math": False}

    def supports(self, text: str) -> bool:
        """Return whether all characters of ``text`` can be drawn."""
        return self.missing.isdisjoint(text)

    def text(self, text: str) -> str:
        """Return ``text`` with a placeholder for each character that cannot be drawn."""
        return "".join(PLACEHOLDER if letter in self.missing else letter for letter in text)

    def names(self, classes: Sequence[str]) -> list[str]:
        """Return class names; one that cannot be drawn is replaced by ``class N``, with its index."""
        return [name if self.supports(name) else f"class {index}" for index, name in enumerate(classes)]


def choose_font(texts: Iterable[str]) -> Font:
    """Return the default font, and an installed font with the characters that it lacks, if there is one."""
    return _choose(frozenset("".join(texts)))


@cache
def _choose(letters: frozenset[str]) -> Font:
    default = font_manager.findfont(DEFAULT)
    missing = _missing(letters, default)
    if not missing:
        return Font((DEFAULT,), (default,), frozenset())
    best, best_missing = None, missing
    for entry in font_manager.fontManager.ttflist:
        if any(part in entry.name for part in UNSUITABLE):
            continue
        still_missing = _missing(missing, entry.fname)
        if len(still_missing) < len(best_missing):
            best, best_missing = entry, still_missing
        if not still_missing:
            break
    if best is None:
        return Font((DEFAULT,), (default,), missing)
    return Font((DEFAULT, best.name), (default, best.fname), best_missing)


def _missing(letters: frozenset[str], path: str) -> frozenset[str]:
    """Return the letters that a font file lacks; all of them if it cannot be read."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):
        return letters
    return frozenset(letter for letter in letters if letter.isprintable() and not font.get_char_index(ord(letter)))
