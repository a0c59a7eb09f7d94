"""Digits drawn with a mouse on a canvas in a browser, by Playwright and the system's Chromium.

Each digit has a random canvas size, pen width and pair of colours: bright on dark, dark on bright or transparent.
"""

import base64
import shutil
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.random import Generator
from playwright.sync_api import Page, sync_playwright

from benchmarks.pen_paths import drawn_digit
from penstroke.pictures import decode_picture

PAGE = """<body style="margin:0;background:#fff"><canvas style="display:block"></canvas><script>
const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d");
function start(side, width, ink, paper) {
  canvas.width = canvas.height = side;
  if (paper) { pen.fillStyle = paper; pen.fillRect(0, 0, side, side); }
  pen.strokeStyle = ink; pen.lineWidth = width; pen.lineCap = pen.lineJoin = "round";
}
canvas.onmousedown = e => { pen.beginPath(); pen.moveTo(e.offsetX, e.offsetY); };
canvas.onmousemove = e => { if (e.buttons) { pen.lineTo(e.offsetX, e.offsetY); pen.stroke(); } };
</script>"""
COLOURS = (
    ("#000", "#fff"), ("#fff", "#000"), ("#111", ""), ("#1a3fbf", "#fdfdf5"), ("#e8e8e8", "#20242c"), ("#c22", "#fff"),
    ("#ffe14d", "#133"), ("#444", "#eee"),
)  # fmt: skip
"""Colours of pen and paper; an empty string is transparent paper."""


# By default a browser delivers mouse moves once per frame.
FLAGS = [
    "--no-sandbox",
    "--disable-frame-rate-limit",
    "--disable-gpu-vsync",
    "--disable-features=ResamplingInputEvents",
]


def browser_path() -> str | None:
    """Return the path of the system's Chromium or Chrome, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def browser_digits(count: int, seed: int = 0) -> Iterator[tuple[UInt8[ndarray, "h w *c"], int]]:
    """Yield pictures of drawn digits with their labels, the ten digits in turn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 640, "height": 640})
        page.set_content(PAGE)
        for i in range(count):
            yield _draw(page, np.random.default_rng([seed, i]), i % 10), i % 10
        browser.close()


def _draw(page: Page, rng: Generator, digit: int) -> UInt8[ndarray, "h w *c"]:
    """Draw a digit and return the canvas, from its PNG or from a screenshot."""
    side = int(np.exp(rng.uniform(np.log(60), np.log(600))))
    ink, paper = COLOURS[int(rng.integers(len(COLOURS)))]
    size = side * rng.uniform(0.45, 0.8)
    width = max(1.5, size * np.exp(rng.uniform(np.log(0.015), np.log(0.16))))
    page.evaluate("args => start(...args)", [side, width, ink, paper])
    middle = side / 2 + side * rng.uniform(-0.06, 0.06, 2)
    for stroke in drawn_digit(rng, digit):
        points = stroke * size + middle + rng.normal(0, 0.004 * size, stroke.shape)
        page.mouse.move(*points[0])
        page.mouse.down()
        for x, y in points[1:]:
            page.mouse.move(x, y)
        page.mouse.up()
    if rng.random() < 0.2:
        return decode_picture(page.locator("canvas").screenshot())
    return decode_picture(base64.b64decode(page.evaluate("canvas.toDataURL()").split(",")[1]))
