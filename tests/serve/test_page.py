"""The web page of the server in Chromium: draw, upload, correct, clear."""

from pathlib import Path

import numpy as np
import pytest
from support.server import Server

from benchmarks.web_page import answer, draw, placed_digit

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).parent.parent.parent


def test_draw_correct_clear_and_upload(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 960, "height": 900})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url)
    answer(page)
    draw(page, placed_digit(np.random.default_rng(3), 4, (320.0, 240.0), 250.0))
    expect(page.locator("#label")).to_have_text("4", timeout=15_000)
    page.locator("#corrections button", has_text="4").click()
    expect(page.locator("#corrections p")).to_contain_text("Stored as 4")
    assert len(list((server.log.parent / "corrections" / "4").glob("*.png"))) == 1
    page.locator("#clear").click()
    expect(page.locator("#label")).to_have_text("")
    page.locator("#file").set_input_files(str(ROOT / "docs" / "images" / "page.jpg"))
    expect(page.locator("#label")).to_contain_text("6118493", timeout=20_000)
    assert not problems
    page.close()
