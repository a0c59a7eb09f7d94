"""The documentation: links lead to existing files, and quoted code is in the source files."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
QUOTING = ["docs/chapter.md"]
"""Pages whose Python code is quoted from source files."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


def quotations(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each block of Python code, as lines, with the source file that is linked before it."""
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        sources = [link for link in LINK.findall(text[: block.start()]) if link.endswith(".py")]
        yield sources[-1], [line.strip() for line in block[1].splitlines() if line.strip()]


def missing_lines(quoted: list[str], source: str) -> list[str]:
    """Return the quoted lines that do not occur in the source in this order; indentation is ignored."""
    rest = [line.strip() for line in source.splitlines()]
    missing = []
    for line in quoted:
        if line in rest:
            rest = rest[rest.index(line) + 1 :]
        else:
            missing.append(line)
    return missing


@pytest.mark.parametrize("name", QUOTING)
def test_quoted_code_is_in_the_source_file(name: str) -> None:
    page = ROOT / name
    found = list(quotations(page.read_text(encoding="utf-8")))
    assert found
    for source, quoted in found:
        assert not missing_lines(quoted, (page.parent / source).read_text(encoding="utf-8")), source


def test_changed_and_reordered_lines_are_detected() -> None:
    source = "def f():\n    a = 1\n    b = 2\n"
    assert missing_lines(["a = 1", "b = 2"], source) == []
    assert missing_lines(["b = 2", "a = 1"], source) == ["a = 1"]
    assert missing_lines(["a = 2"], source) == ["a = 2"]
    assert list(quotations("[a](x.py) [b](y.py)\n```python\na = 1\n```\n")) == [("y.py", ["a = 1"])]
