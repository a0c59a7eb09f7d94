"""Tests of the web page in Chromium, with the bundled model."""

import io
import math
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.web import Web

from benchmarks.web_page import SHEET, answer, draw, placed_digit, ready_page, write_page
from penstroke.export.program import Program
from penstroke.export.web import web_page
from penstroke.pictures import preprocess

pytest.importorskip("playwright", reason="Playwright is not installed")
from playwright.sync_api import Browser, FilePayload, Page, expect

MIDDLE = (320.0, 240.0)
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(tmp_path_factory.mktemp("page"), ready_page(single_file=True))


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[tuple[Page, list[str]]]:
    """Return the open page, and the list of its errors and its requests to other files."""
    context = browser.new_context(viewport={"width": 960, "height": 800})
    page, problems = context.new_page(), list[str]()
    record_problems(page, url, problems)
    page.goto(url)
    yield page, problems
    context.close()


@pytest.fixture
def page(shared: tuple[Page, list[str]]) -> Iterator[Page]:
    """Return the page with an empty sheet. Errors on the page, and requests to other files, fail the test."""
    page, problems = shared
    page.evaluate("() => { Object.assign(sheet, {items: [], count: 0}); sheet.update(); scrollTo(0, 0); }")
    answer(page)
    yield page
    assert not problems


def record_problems(page: Page, url: str, problems: list[str]) -> None:
    """Append the errors of a page, and the URLs of its requests to other folders, to a list."""
    own = (url.rpartition("/")[0], "blob:", "data:")
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(own) else problems.append(request.url))


@pytest.fixture
def opened(browser: Browser, url: str) -> Iterator[Opener]:
    """Return a function that opens the page with other options than ``page``."""
    problems: list[str] = []
    contexts = []

    def opened(url: str = url, script: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 960, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(script)
        record_problems(page, url, problems)
        page.goto(url)
        answer(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems


def digit(digit: int, seed: int = 1, middle: tuple[float, float] = MIDDLE, size: float = 320) -> Any:
    strokes = placed_digit(np.random.default_rng(seed), digit, middle, size)
    # The browser handles one move of the mouse in a frame, so fewer points take less time.
    return [np.vstack([stroke[:-1:2], stroke[-1:]]) for stroke in strokes]


def strokes(*points: tuple[float, float]) -> list[Any]:
    return [np.array(points, float)]


SCRIBBLE = strokes((120, 250), (500, 120), (150, 400), (420, 80), (480, 420), (130, 180), (520, 330), (200, 90))


def put(page: Page, strokes: list[Any]) -> None:
    """Put strokes on the sheet at once; ``draw`` moves the mouse instead, which takes a frame for each point."""
    for stroke in strokes:
        page.evaluate(
            "([first, ...rest]) => { sheet.begin(first); sheet.extend(rest); sheet.finish(); }", stroke.tolist()
        )


def picture(*digits: int, ink: int = 20, paper: int = 240) -> FilePayload:
    """Return a PNG file of digits side by side, as a drawing on plain paper."""
    image = np.full((300, 220 * len(digits), 3), paper, np.uint8)
    for i, label in enumerate(digits):
        for stroke in digit(label, 3, (220 * i + 110, 150), 190):
            for x, y in np.linspace(stroke[:-1], stroke[1:], 40).reshape(-1, 2).astype(int):
                image[y - 5 : y + 6, x - 5 : x + 6] = ink
    return png("digits.png", Image.fromarray(image))


def png(name: str, image: Image.Image) -> FilePayload:
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}


def notice(page: Page) -> str:
    page.wait_for_selector("#notice:not([hidden])")
    return page.locator("#notice").inner_text()


def test_digits_drawn_with_the_mouse_are_read(page: Page) -> None:
    for label in range(10):
        draw(page, digit(label))
        assert answer(page) == str(label)
        page.click("#clear")
    assert answer(page) == ""


@pytest.mark.parametrize("place", ["folder", "server folder", "server file"])
def test_the_page_works_from_a_folder_and_from_a_server(opened: Opener, tmp_path: Path, web: Web, place: str) -> None:
    files = ready_page(single_file=place.endswith("file"))
    url = write_page(tmp_path, files)
    if place.startswith("server"):
        types = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
        for name, content in files.items():
            web.pages[f"/{name}"] = served(content, types[name.rpartition(".")[2]])
        url = f"{web.url}/index.html"
    page = opened(url)
    draw(page, digit(7))
    assert answer(page) == "7"
    assert page.locator("#sheet").evaluate("sheet => getComputedStyle(sheet).cursor") == "crosshair"
    assert set(web.hits) <= {f"/{name}" for name in files}


def test_the_page_cannot_send_anything(browser: Browser, web: Web) -> None:
    web.pages["/"] = served(ready_page(single_file=True)["index.html"], "text/html")
    page = browser.new_page()
    page.goto(web.url)
    answer(page)
    assert page.evaluate("fetch('/').then(() => 'sent', () => 'blocked')") == "blocked"
    assert web.hits["/"] == 1
    page.close()


def served(content: bytes, kind: str) -> Callable[[Any], None]:
    def respond(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.end_headers()
        request.wfile.write(content)

    return respond


def test_the_answer_is_shown_while_drawing(page: Page) -> None:
    draw(page, digit(6), release=False)
    expect(page.locator("#label")).to_have_text("6")
    assert page.locator("#live").inner_text() == ""  # announced at the end of the stroke alone
    page.mouse.up()
    assert answer(page) == "6"
    assert re.fullmatch(r"6: .* sure", page.locator("#live").inner_text())
    bars = page.locator("#bars li").all_inner_texts()
    assert [bar.split()[0] for bar in bars] == [*"0123456789"]
    assert page.locator("#bars li.best").inner_text().startswith("6")


def test_several_digits_are_a_number_with_a_box_for_each(page: Page) -> None:
    for i, label in enumerate((4, 0, 7)):
        put(page, digit(label, label + 1, (140 + 180 * i, 240), 230))
    assert answer(page) == "407"
    boxes = page.get_by_role("button", name="of 3")
    assert boxes.evaluate_all("all => all.map(box => box.ariaPressed)") == ["false", "false", "true"]
    page.get_by_role("button", name="4, 1 of 3").locator("span").click()
    assert page.locator("#bars li.best").inner_text().startswith("4")
    assert boxes.evaluate_all("all => all.map(box => box.ariaPressed)") == ["true", "false", "false"]
    # The boxes do not keep the pen from drawing: the second digit becomes an 8.
    draw(page, strokes((280, 240), (360, 240)))
    assert len(answer(page)) == 3


def test_a_scribble_is_not_a_digit(page: Page) -> None:
    put(page, SCRIBBLE)
    assert answer(page) == "?"
    assert page.locator("#verdict").inner_text().startswith("Not a digit")


def test_undo_redo_and_clear(page: Page) -> None:
    put(page, digit(1, middle=(160, 240)))
    put(page, digit(7, middle=(480, 240)))
    both = answer(page)
    assert both == "17"
    page.click("#clear")
    assert answer(page) == ""
    page.keyboard.press("Control+z")
    assert answer(page) == both
    while page.locator("#undo").get_attribute("aria-disabled") == "false":
        page.click("#undo")
    assert answer(page) == ""
    for _ in range(9):
        page.keyboard.press("Control+Shift+Z")
    assert answer(page) == ""  # cleared again
    page.keyboard.press("Control+z")
    put(page, strokes((600, 30), (601, 31)))
    assert page.locator("#redo").get_attribute("aria-disabled") == "true"


def test_drawing_with_the_keyboard(opened: Opener) -> None:
    page = opened()
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sheet":
            break
    assert page.get_by_role("application", name="Drawing area").is_visible()
    assert page.locator("#cursor").is_visible()
    page.keyboard.press(" ")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert answer(page) == "1"
    assert page.locator("#live").inner_text().startswith("1: ")
    page.keyboard.press("ArrowUp")  # the pen is up
    assert answer(page) == "1"
    page.keyboard.press("Delete")
    assert answer(page) == ""
    # Two arrows at once move diagonally.
    page.keyboard.press(" ")
    page.keyboard.down("ArrowLeft")
    page.keyboard.down("ArrowUp")
    page.keyboard.up("ArrowLeft")
    page.keyboard.up("ArrowUp")
    first, last = page.evaluate("[sheet.stroke[0], sheet.stroke.at(-1)]")
    assert last[0] < first[0]
    assert last[1] < first[1]
    page.keyboard.press("Tab")  # leaving the sheet lifts the pen
    assert page.evaluate("sheet.stroke") is None


@pytest.mark.parametrize("kind", ["touch", "pen"])
def test_touch_and_pen(opened: Opener, kind: str) -> None:
    page = opened(has_touch=True, viewport={"width": 360, "height": 740})
    area = page.locator("#sheet").bounding_box()
    assert area
    session = page.context.new_cdp_session(page)
    for stroke in digit(3):
        points = [
            dict(zip("xy", point, strict=True)) for point in stroke * area["width"] / 640 + (area["x"], area["y"])
        ]
        if kind == "touch":
            session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
            for point in points[1:]:
                session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        else:
            events = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
            for event, point in zip(events, [*points, points[-1]], strict=True):
                button = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
                session.send("Input.dispatchMouseEvent", {"type": event, **button, **point})
    assert answer(page) == "3"


@pytest.mark.parametrize(("ink", "paper"), [(20, 240), (250, 15)])
def test_a_picture_is_chosen_dropped_or_pasted(page: Page, ink: int, paper: int) -> None:
    page.set_input_files("#file", picture(2, 5, ink=ink, paper=paper))
    expect(page.locator("#label")).to_have_text("25")
    for kind in ("drop", "paste"):
        page.click("#clear")
        assert answer(page) == ""
        send_files(page, kind, picture(4, ink=ink, paper=paper))
        expect(page.locator("#label")).to_have_text("4")


def test_a_tap_draws_a_dot(page: Page) -> None:
    page.locator("#sheet").click()
    ink = page.evaluate("() => sheet.pixels(640, 480).data.reduce((sum, value) => sum + (value < 128), 0)")
    assert 3 * 250 < ink < 3 * 400  # a disk of 20 pixels, in three channels


def test_an_empty_sheet_and_an_empty_picture_have_no_answer(page: Page) -> None:
    assert page.locator("#verdict").inner_text() == "Draw something, and the answer appears here."
    page.set_input_files("#file", png("blank.png", Image.new("L", (300, 200), 240)))
    expect(page.locator("#verdict")).to_have_text("No symbol was found in the picture: it has one uniform colour.")
    assert answer(page) == ""
    assert page.locator("#bars li").all_inner_texts()[0] == "0"


def send_files(page: Page, kind: str, file: FilePayload | None) -> None:
    """Drop or paste a file, or a text."""
    page.evaluate(
        """([kind, file]) => {
            const data = new DataTransfer();
            if (file) data.items.add(new File([Uint8Array.from(file.bytes)], file.name, {type: file.type}));
            else data.setData("text/plain", "7");
            const options = {bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data};
            const event = kind === "drop" ? new DragEvent(kind, options) : new ClipboardEvent(kind, options);
            document.body.dispatchEvent(event);
        }""",
        [kind, file and {"bytes": [*file["buffer"]], "name": file["name"], "type": file["mimeType"]}],
    )


def test_files_that_cannot_be_used_are_named_and_the_drawing_is_kept(page: Page) -> None:
    put(page, digit(6))
    drawn = page.evaluate("JSON.stringify(sheet.items)")
    large = png("large.png", Image.new("1", (10_000, 10_000)))
    text: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"seven"}
    broken: FilePayload = {"name": "broken.png", "mimeType": "image/png", "buffer": large["buffer"][:20]}
    for file, problem in (
        (large, "large.png has 10000 × 10000 pixels. The limit is 100 megapixels."),
        (text, "notes.txt is not a picture that this browser can open."),
        (broken, "broken.png is not a picture that this browser can open."),
    ):
        page.set_input_files("#file", file)
        expect(page.locator("#notice")).to_have_text(problem)
    page.evaluate("openPicture({name: 'scan.tif', size: 60e6})")
    assert notice(page) == "scan.tif is larger than 50 MB."
    send_files(page, "drop", None)
    assert notice(page) == "This is not a picture file."
    assert page.evaluate("JSON.stringify(sheet.items)") == drawn
    assert answer(page) == "6"
    put(page, strokes((20, 20), (20, 21)))
    assert page.locator("#notice").is_hidden()


def test_a_browser_without_workers(opened: Opener) -> None:
    page = opened(script="delete window.Worker")
    put(page, digit(9))
    assert answer(page) == "9"


def test_damaged_weights_are_reported_and_the_drawing_is_kept(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    content = re.sub(rb'"weights":"[^"]{1000}', b'"weights":"', ready_page(single_file=True)["index.html"])
    page.goto(write_page(tmp_path, {"index.html": content}))
    assert "are damaged" in notice(page)
    put(page, digit(9))
    assert page.evaluate("sheet.empty") is False
    page.close()


def test_input_feature_maps_and_occlusion(page: Page) -> None:
    put(page, digit(5))
    assert answer(page) == "5"
    expect(page.locator("#maps canvas")).to_have_count(6)
    names = page.locator("#maps canvas").evaluate_all("all => all.map(canvas => canvas.ariaLabel)")
    assert names[0] == "1. Convolution\n32 maps of 14 × 14"
    assert names[3] == "4. Convolution\n64 maps of 7 × 7"
    assert names[5] == "6. Convolution\n64 values"
    inked = """canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 < 3 && data[i - i % 4 + 3] && value > 128).length / 3;
    }"""
    assert 40 < page.locator("#input").evaluate(inked) < 200
    page.click("#explain")
    page.wait_for_selector("#occlusion:not([hidden])")
    assert page.locator("#explanation").inner_text() == "Orange: covering this part makes 5 less probable."
    page.click("#clear")
    assert answer(page) == ""
    assert page.locator("#occlusion").is_hidden()
    expect(page.locator("#label")).to_be_empty()
    page.wait_for_timeout(100)
    assert page.locator("#input").evaluate(inked) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessibility(opened: Opener, theme: str) -> None:
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    page = opened(color_scheme=theme, viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    page.evaluate(axe)
    for drawing in ([], digit(5, 1, (160, 200), 200), digit(7, 1, (480, 200), 200), SCRIBBLE):
        put(page, drawing)
        answer(page)
        if drawing is SCRIBBLE:
            page.evaluate("showNotice('A message')")
        page.wait_for_timeout(50)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        assert len(found["passes"]) > 20
        assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert page.evaluate("getComputedStyle(document.querySelector('.ghost')).animationName") == "none"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_fits_the_screen(opened: Opener, width: int) -> None:
    page = opened(viewport={"width": width, "height": 740})
    put(page, digit(5, 1, (160, 240), 240))
    put(page, digit(7, 1, (480, 240), 240))
    assert answer(page) == "57"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    label, sheet = (page.locator(name).bounding_box() for name in ("#label", "#sheet"))
    assert label
    assert sheet
    assert label["y"] + label["height"] < 740  # visible while drawing
    assert sheet["width"] > 0.5 * width


def test_themes(opened: Opener) -> None:
    page = opened(color_scheme="dark")
    brightness = "eval => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    dark = page.evaluate(brightness)
    page.click("#theme")
    assert page.evaluate(brightness) > 200 > 50 > dark
    page.emulate_media(color_scheme="light")
    assert page.evaluate(brightness) > 200
    page.click("#theme")
    assert page.evaluate(brightness) == dark


def test_the_drawing_is_downloaded(opened: Opener) -> None:
    page = opened(color_scheme="dark")
    put(page, strokes((100, 240), (540, 240)))
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "drawing.png"
    image = np.asarray(Image.open(download.value.path()).convert("L"))
    assert image.shape == (960, 1280)
    rows, columns = np.nonzero(image < 128)
    assert (rows.min(), rows.max()) == pytest.approx((460, 500), abs=3)
    assert (columns.min(), columns.max()) == pytest.approx((180, 1100), abs=3)


def things_page(folder: Path, shape: tuple[int, int, int], preprocessing: str = "letterbox") -> str:
    """Return the URL of a page with a linear model of 25 classes of things."""
    classes = [f"class {i}" for i in range(25)]
    weights = np.random.default_rng(0).normal(size=(25, math.prod(shape))).astype(np.float32) / 5000
    steps = (
        {"op": "Cast", "inputs": ["images"], "output": "cast", "attributes": {}},
        {"op": "Reshape", "inputs": ["cast", "shape"], "output": "flat", "attributes": {}},
        {"op": "Gemm", "inputs": ["flat", "weight"], "output": "scores", "attributes": {"transB": 1}},
        {"op": "LogSoftmax", "inputs": ["scores"], "output": "log_probs", "attributes": {"axis": 1}},
    )
    arrays = {"weight": weights, "shape": np.array([-1, weights.shape[1]])}
    description = {"classes": classes, "image_shape": shape, "preprocessing": preprocessing, "calibration": None}
    files = web_page(Program(steps, arrays, "images", "log_probs"), description | {"source": "x"}, single_file=True)
    return write_page(folder, files)


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> FilePayload:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return {"name": f"a.{kind.lower()}", "mimeType": f"image/{kind.lower()}", "buffer": file.getvalue()}


def kinds_of_files() -> dict[str, FilePayload]:
    """Return a photograph in files of many kinds."""
    photo = Image.open(Path(__file__).parents[2] / "docs/images/on-paper.jpg").convert("RGB").resize((301, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.createProfile("sRGB")
    # A profile whose red and blue are exchanged: a browser that applies it changes the colours.
    swapped = ImageCms.ImageCmsProfile(profile).tobytes().replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ")
    faded = photo.convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(photo.size))
    stamp = Image.new("RGBA", (90, 60), (0, 0, 0, 0))
    stamp.paste((255, 255, 255, 255), (20, 20, 50, 40))
    levels = np.asarray(photo.convert("L")).astype(np.uint16)
    return {
        "RGB": file_of(photo),
        "the size of the image": file_of(photo.resize((40, 32))),
        "large": file_of(photo.resize((2100, 1400))),
        "grey": file_of(photo.convert("L")),
        "palette": file_of(photo.quantize(40)),
        "16 bits": file_of(Image.fromarray(levels * 257)),
        "transparent": file_of(faded),
        "white on transparent": file_of(stamp),
        "JPEG": file_of(photo, "JPEG", quality=90),
        "grey JPEG": file_of(photo.convert("L"), "JPEG", quality=90),
        "turned JPEG": file_of(photo, "JPEG", exif=exif),
        "JPEG with a profile": file_of(photo, "JPEG", icc_profile=swapped.replace(b"tXYZ", b"bXYZ")),
        "WEBP": file_of(photo, "WEBP", quality=90),
    }


@pytest.mark.parametrize("preprocessing", ["letterbox", "crop"])
def test_pictures_of_things_are_fitted_as_in_the_training(opened: Opener, tmp_path: Path, preprocessing: str) -> None:
    shape = (3, 32, 40)
    page = opened(things_page(tmp_path, shape, preprocessing))
    found = {}
    for name, file in kinds_of_files().items():
        page.evaluate("() => { Object.assign(sheet, {items: [], count: 0}); sheet.update(); }")
        expect(page.locator("#label")).to_be_empty()
        page.set_input_files("#file", file)
        expect(page.locator("#label")).not_to_be_empty()
        image = np.array(page.evaluate("[...selectedImage()]")).reshape(shape)
        found[name] = int(np.abs(image - preprocess(file["buffer"], preprocessing, shape).astype(int)).max())
    assert max(found.values()) <= 1, found
    large = png("large.png", Image.new("1", (10_000, 5_000)))
    page.set_input_files("#file", large)
    expect(page.locator("#notice")).to_have_text("large.png has 10000 × 5000 pixels. The limit is 50 megapixels.")


@pytest.mark.parametrize("channels", [1, 3])
def test_models_of_other_images_and_many_classes(opened: Opener, tmp_path: Path, channels: int) -> None:
    shape = (channels, 32, 40)
    page = opened(things_page(tmp_path, shape))
    assert page.locator("h1").inner_text() == "Draw or open a picture"
    pixels = np.full((60, 120, 3), (200, 180, 40), np.uint8)
    pixels[10:50, 30:100] = np.linspace((20, 60, 220), (200, 30, 90), 70).astype(np.uint8)
    page.set_input_files("#file", png("picture.png", Image.fromarray(pixels)))
    expect(page.locator("#label")).not_to_be_empty()
    image = np.array(page.evaluate("[...selectedImage()]")).reshape(shape)
    assert (image == preprocess(pixels, "letterbox", shape)).all()
    bars = page.locator("#bars li").all_inner_texts()
    assert len(bars) == 10
    assert page.locator("#label").inner_text() in bars[0]
    assert SHEET.tolist() == [640, 480]
