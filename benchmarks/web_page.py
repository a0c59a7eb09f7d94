"""The exported web page in Chromium: digits drawn with a mouse, times to the answer and to load, sizes of the files."""

import argparse
import statistics
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.browser_digits import browser_path
from benchmarks.conditions import save_result, summary
from benchmarks.pen_paths import drawn_digit

SHEET = np.array([640, 480])
"""Width and height of the drawing area in its own units."""
TIMES = """
window.times = {answers: [], strokes: 0};
document.addEventListener("DOMContentLoaded", () => {
  const answer = document.getElementById("answer");
  let end = null;
  document.addEventListener("pointerup", event => { end = event.timeStamp; }, true);
  new MutationObserver(() => {
    if (answer.ariaBusy !== "false") return;
    times.interactive ??= performance.now();
    if (end === null) return;
    const start = end;
    end = null;
    requestAnimationFrame(() => times.answers.push(performance.now() - start));
  }).observe(answer, {attributeFilter: ["aria-busy"]});
});
"""
"""Records when the page can answer, and for each stroke the milliseconds from its end to the frame with the answer."""


@cache
def ready_page(single_file: bool) -> dict[str, bytes]:
    """Return the files of the web page of the bundled model."""
    from penstroke.export.graph import onnx_graph
    from penstroke.export.program import program_of
    from penstroke.export.web import web_page
    from penstroke.models import bundled
    from penstroke.models.modules import load_module

    module, description = load_module(bundled.WEIGHTS)
    program = program_of(onnx_graph(module, description))
    return web_page(program, description.to_json() | {"source": bundled.NAME}, single_file=single_file)


def write_page(folder: Path, files: dict[str, bytes]) -> str:
    """Write the files of a page to a folder and return the page's ``file://`` URL."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return (folder / "index.html").absolute().as_uri()


def placed_digit(rng: Generator, digit: int, middle: tuple[float, float], size: float) -> list[Float[ndarray, "n 2"]]:
    """Return the strokes of a digit of a height on the sheet, around a point, all in units of the sheet."""
    return [np.clip(stroke * size + middle, 0, SHEET) for stroke in drawn_digit(rng, digit)]


def draw(page: Page, strokes: list[Float[ndarray, "n 2"]], release: bool = True) -> None:
    """Draw strokes with the mouse, in units of the sheet; optionally do not release the button at the end."""
    area = page.locator("#sheet").bounding_box()
    assert area
    for stroke in strokes:
        points = stroke / SHEET * (area["width"], area["height"]) + (area["x"], area["y"])
        page.mouse.move(*points[0])
        page.mouse.down()
        for x, y in points[1:]:
            page.mouse.move(x, y)
        if release or stroke is not strokes[-1]:
            page.mouse.up()


def answer(page: Page) -> str:
    """Return the label that the page shows, once it is the answer to what is drawn."""
    page.wait_for_selector("#answer[aria-busy=false]")
    return page.locator("#label").inner_text()


def measure_digits(page: Page, count: int) -> dict[str, Any]:
    """Draw each digit ``count`` times, with random shapes, places and sizes."""
    wrong: list[str] = []
    for i in range(10 * count):
        rng, digit = np.random.default_rng([7, i]), i % 10
        size = rng.uniform(150, 400)
        middle = SHEET / 2 + rng.uniform(-0.5, 0.5, 2) * (SHEET - 1.1 * size)
        page.evaluate("sheet.clear()")
        draw(page, placed_digit(rng, digit, (middle[0], middle[1]), size))
        if (label := answer(page)) != str(digit):
            wrong.append(f"{digit} as {label}")
    page.wait_for_timeout(100)  # the last frame
    times = page.evaluate("times.answers")
    return {
        "drawn": 10 * count,
        "right": 10 * count - len(wrong),
        "wrong": wrong,
        "stroke_to_answer_ms": summary(times) | {"p95": float(np.percentile(times, 95))},
    }


def measure_load(browser: Browser, url: str, repeats: int) -> dict[str, Any]:
    """Measure the milliseconds from the navigation, and from the load event, until the page can answer."""
    navigation, load = [], []
    for _ in range(repeats):
        page = browser.new_page()
        page.add_init_script(TIMES)
        page.goto(url)
        answer(page)
        interactive = page.evaluate("times.interactive")
        navigation.append(interactive)
        load.append(interactive - page.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart"))
        page.close()
    return {"from_navigation_ms": summary(navigation), "from_load_event_ms": summary(load)}


def measure(count: int) -> dict[str, Any]:
    """Return all measurements, the load alternating between the two variants of the page."""
    folder, single = ready_page(False), ready_page(True)
    scripts = {name: len(content) for name, content in folder.items() if name.endswith(".js")}
    figures: dict[str, Any] = {
        "bytes": {
            "folder": sum(map(len, folder.values())),
            "single_file": len(single["index.html"]),
            "scripts": sum(scripts.values()),
            "each": {name: len(content) for name, content in folder.items()},
        }
    }
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        urls = {kind: write_page(Path(name) / kind, files) for kind, files in (("folder", folder), ("single", single))}
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        figures["browser"] = f"Chromium {browser.version}, headless"
        figures["load"] = {kind: measure_load(browser, url, count) for kind, url in urls.items()}
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.add_init_script(TIMES)
        page.goto(urls["single"])
        answer(page)
        figures["digits"] = measure_digits(page, count)
        browser.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10, help="drawings of each digit, and loads of the page")
    figures = measure(parser.parse_args().count)
    digits, load = figures["digits"], figures["load"]
    print(f"{digits['right']} of {digits['drawn']} right; wrong: {digits['wrong']}")
    print(f"stroke to answer: {digits['stroke_to_answer_ms']['median']:.1f} ms (median)")
    for kind, times in load.items():
        print(f"{kind}: interactive {statistics.median(times['from_load_event_ms']['values']):.0f} ms after load")
    print(f"bytes: {figures['bytes']}")
    print(save_result("web-page", figures))


if __name__ == "__main__":
    main()
