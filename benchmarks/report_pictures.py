"""Write the report of a run, and the pictures of it in the documentation: ``docs/images/report.png`` and others.

    python -m benchmarks.report_pictures RUN

It prints the size of the report and the time that it took without the imports. Chromium is needed.
"""

import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.browser_digits import browser_path
from penstroke.data import load
from penstroke.inference import Classifier
from penstroke.report.html import Request, write_report
from penstroke.runs import open_run

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def main(folder: str) -> None:
    run = open_run(Path(folder))
    started = time.perf_counter()
    data = load(run.record.data["source"] if run.record.data else "auto")
    request = Request(Classifier.load(run.path), data, run.path / "report.html", run, name=run.path.name)
    written = write_report(request)
    print(f"{written.path}: {written.size} bytes, {time.perf_counter() - started:.1f} s")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1130}, color_scheme="light")
        page.goto(written.path.resolve().as_uri())
        page.screenshot(path=IMAGES / "report.png")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate("document.getElementById('inside').scrollIntoView({behavior: 'instant'})")
        page.screenshot(path=IMAGES / "report-inside.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
