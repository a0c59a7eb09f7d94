"""The report in Chromium: it loads nothing, is accessible and fits the screen; and what its sections hold."""

import dataclasses
import re
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from penstroke.data import Dataset, fingerprint
from penstroke.errors import DataError, MissingExtraError, StorageError, UsageError
from penstroke.evaluation import evaluate
from penstroke.evaluation.stored import save_report
from penstroke.inference import Classifier
from penstroke.models.description import Description
from penstroke.networks import ConvNet
from penstroke.report.html import MAX_BYTES, Request, Written, write_report
from penstroke.runs import Run

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import Browser

HOSTILE = ("<script>alert(1)</script>", '"quoted" & "more"', "字", "l" * 60, "{{ 7 * 7 }}")


def untrained(data: Dataset) -> Classifier:
    """Return a classifier with random weights for the images and classes of a dataset."""
    shape, classes = data.train.images.shape[1:], data.train.classes
    spec = ConvNet(channels=(4, 4), hidden=8)
    description = Description(network=spec, image_shape=shape, classes=classes, mean=(0.5,), std=(0.5,))
    return Classifier.from_module(spec.build(shape, len(classes), (0.5,), (0.5,)), description)


def dataset(count: int, classes: tuple[str, ...], shape: tuple[int, ...] = (28, 28), kinds: int = 0) -> Dataset:
    """Return random images, of which only the first ``kinds`` classes (default: all) have any."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2 * count, *shape), dtype=np.uint8)
    labels = np.arange(count) % (kinds or len(classes))
    name = classes[0][:20]
    return Dataset.from_arrays(images[:count], labels, test=(images[count:], labels), classes=classes, name=name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_accessible_and_fits_the_screen(
    width: int, scheme: Literal["light", "dark"], browser: Browser, written: Written
) -> None:
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    # axe is a script, which the policy of the page forbids.
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page, problems, requests = context.new_page(), list[str](), list[str]()
    url = written.path.resolve().as_uri()
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    assert len(found["passes"]) > 20
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert not problems
    assert [each for each in requests if not each.startswith((url, "data:"))] == []
    broken = "[...document.images].filter((image) => !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    context.close()


def test_the_page_needs_no_script_and_prints(browser: Browser, written: Written) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(written.path.resolve().as_uri())
    assert page.get_by_role("heading", level=1).inner_text().startswith("book on MNIST")
    for name in ("Mistakes", "Classes", "Confidence", "Inside the network", "Training and conditions", "Data"):
        assert page.get_by_role("heading", name=name, exact=True).is_visible()
    assert page.pdf()[:5] == b"%PDF-"
    context.close()


def test_the_page_starts_with_the_verdict(html: str, written: Written) -> None:
    text = re.sub(r"<[^>]+>", " ", html[html.index("<main>") :]).replace("\N{NO-BREAK SPACE}", " ")
    score, (low, high) = written.report.score, written.report.accuracy_ci95
    first = text[:1500]
    assert f"{100 * score.accuracy:.2f} %" in first
    assert f"{score.correct} right, {score.total - score.correct} wrong." in first
    assert f"from {100 * low:.2f} % to {100 * high:.2f} %" in first


def test_the_page_is_one_small_file(html: str, written: Written) -> None:
    assert written.size == len(html.encode()) < MAX_BYTES
    assert "<script" not in html
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert "url(" not in html


def test_the_sections_show_the_evaluation_the_recipe_and_the_data(html: str, small: Dataset, written: Written) -> None:
    assert html.count('alt="Training images of class') == 10
    assert fingerprint(small.test) in html
    report = written.report
    table = re.search(r'<table class="matrix">(.*?)</table>', html, re.DOTALL)
    assert table
    cells = [int(cell) for cell in re.findall(r"<td class=\"h\d\">(\d+)</td>", table[1])]
    assert cells == report.confusion.ravel().tolist()
    assert [int(place) for place in re.findall(r"Test image (\d+)\"", html[html.index('id="mistakes"') :])][
        :24
    ] == report.worst(24).tolist()
    assert "<dt>batch_size</dt><dd>32</dd>" in html
    assert "penstroke train book --data mnist5k --epochs 1" in html
    assert "16 maps of 26 × 26" in html
    assert html.count("kernel") >= 16
    assert html.count("Attributions for") >= 12
    assert not written.omitted


def test_hostile_names_are_text(browser: Browser, tmp_path: Path) -> None:
    data = dataset(40, HOSTILE)
    done = write_report(Request(untrained(data), data, tmp_path / "r.html", name="<img src=x onerror=alert(1)>"))
    html = done.path.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "{{ 7 * 7 }}" in html
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(done.path.resolve().as_uri())
    assert page.get_by_text("字").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


@pytest.mark.parametrize(
    ("count", "classes", "shape", "kinds"),
    [
        (2, ("a", "b"), (28, 28), 1),  # one class has no images at all
        (1, ("a", "b"), (28, 28), 1),
        (150, tuple(f"class {number}" for number in range(62)), (28, 28), 0),
        (30, ("a", "b", "c"), (3, 100, 90), 0),
    ],
)
def test_any_dataset_has_a_report(
    count: int, classes: tuple[str, ...], shape: tuple[int, ...], kinds: int, tmp_path: Path
) -> None:
    data = dataset(count, classes, shape, kinds)
    done = write_report(Request(untrained(data), data, tmp_path / "r.html"))
    html = done.path.read_text(encoding="utf-8")
    assert done.size < MAX_BYTES
    assert not kinds or "undefined" in html
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]+", "", html))
    assert ('class="pixels heat"' in html) == (len(classes) > 20)
    assert "How it was trained is not recorded." in html


def test_stored_errors_on_corrupted_images_are_shown_if_they_are_those_of_the_model(
    report_run: Run, small: Dataset, tmp_path: Path
) -> None:
    classifier = Classifier.load(report_run.path)
    report = evaluate(classifier, small.test)
    families = [{"name": "shot_noise", "errors": [0.01, 0.03, 0.1, 0.3, 0.5], "relative_to_book": None}]
    values = {"mean": 0.188, "mean_corruption_error": None, "families": families}
    save_report(report_run, small, report, values)
    request = Request(classifier, small, tmp_path / "r.html", report_run)
    html = write_report(request).path.read_text(encoding="utf-8")
    assert '<th scope="row">shot noise</th><td class="h0">1.0' in html
    assert "<td>undefined</td>" in html
    other = dataclasses.replace(report, log_probs=np.roll(report.log_probs, 1, axis=1))
    save_report(report_run, small, other, values)
    assert "Corrupted images" not in write_report(request).path.read_text(encoding="utf-8")


def test_the_page_says_what_is_missing(
    report_run: Run, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = __import__("sys").modules
    monkeypatch.setitem(modules, "captum.attr", None)
    done = write_report(Request(Classifier.load(report_run.path), small, tmp_path / "r.html", report_run))
    assert len(done.omitted) == 1
    assert 'pip install "penstroke[explain]"' in done.omitted[0]
    html = done.path.read_text(encoding="utf-8")
    assert "penstroke[explain]" in html
    assert "16 maps of 26 × 26" in html
    monkeypatch.setitem(modules, "torch", None)
    done = write_report(Request(Classifier.load("ready"), small, tmp_path / "r.html", name="ready"))
    assert 'pip install "penstroke[train]"' in done.omitted[0]
    assert "Kernels, maps and attributions are left out" in done.path.read_text(encoding="utf-8")


def test_errors_are_explained(small: Dataset, report_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = Classifier.load(report_run.path)
    with pytest.raises(UsageError, match=r"--index is 500: there are 500 test images.*from 0 to 499"):
        write_report(Request(classifier, small, tmp_path / "r.html", index=500))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_report(Request(classifier, small, tmp_path / "file" / "r.html"))
    without_test = Dataset.from_arrays(small.train.images, small.train.labels)
    with pytest.raises(DataError, match="no test split"):
        write_report(Request(classifier, without_test, tmp_path / "r.html"))
    data = dataset(4, ("0", "1"), (20, 20))
    with pytest.raises(DataError, match="the model takes"):
        write_report(Request(classifier, data, tmp_path / "r.html"))
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"jinja2.*penstroke\[report\]"):
        write_report(Request(classifier, small, tmp_path / "r.html"))
    assert not (tmp_path / "r.html").exists()
