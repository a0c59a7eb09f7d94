"""Numbers as words of the page. A value that is not defined is the word ``undefined``, never 0."""

UNDEFINED = "undefined"
SPACE = "\N{NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 2) -> str:
    """Return a fraction, 0..1, as a percentage: ``< 0.01 %`` and ``> 99.99 %`` for what would round to 0 or 100 %."""
    if share is None or share != share:
        return UNDEFINED
    shown, step = round(100 * share, digits), 10.0**-digits
    if share < 1 and shown >= 100:
        return f">{SPACE}{100 - step:.{digits}f}{SPACE}%"
    if share > 0 and shown <= 0:
        return f"<{SPACE}{step:.{digits}f}{SPACE}%"
    return f"{shown:.{digits}f}{SPACE}%"


def decimal(value: float | None, digits: int = 4) -> str:
    """Return a number with a fixed number of digits after the point."""
    return UNDEFINED if value is None or value != value else f"{value:.{digits}f}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Return a whole number with thousands separators, and the noun in the right number."""
    text = f"{number:,}"
    if not noun:
        return text
    return f"{text} {noun if number == 1 else plural or noun + 's'}"


def size(number: int) -> str:
    """Return a number of bytes with a decimal unit."""
    if number < 1000:
        return f"{number} bytes"
    value, unit = (number / 1e3, "kB") if number < 1e6 else (number / 1e6, "MB")
    return f"{value:.{0 if value >= 100 else 1}f}{SPACE}{unit}"


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.1f}{SPACE}s" if seconds < 10 else f"{seconds:.0f}{SPACE}s"
    minutes = round(seconds / 60)
    return f"{minutes}{SPACE}min" if minutes < 120 else f"{minutes / 60:.1f}{SPACE}h"
