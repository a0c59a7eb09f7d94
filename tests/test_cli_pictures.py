"""``read``, ``show PICTURE`` and ``predict --explain-picture``: what they say, write and refuse."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import Penstroke, penstroke
from trained import dataset, short, small

from penstroke import Classifier, fit
from penstroke.inference import Mark, Page, Reading
from penstroke.models.description import Calibration
from penstroke.models.files import save_model

__all__ = ["penstroke"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a model that was really trained, for a short time."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    fitted = fit(short(batch_size=25, test_each_epoch=False), small(), "cpu")
    save_model(path, fitted.model, fitted.description)
    return path


@pytest.fixture
def page(tmp_path: Path) -> tuple[Path, list[list[int]]]:
    """Return a picture of two lines of digits on paper, and where each stands: line, x, y."""
    test = dataset().test
    paper = np.full((260, 420), 235, np.uint8)
    places = []
    for number in range(7):
        image = np.asarray(Image.fromarray(test.images[number, 0].numpy()).resize((84, 84)))
        line, column = divmod(number, 4)
        y, x = 20 + 120 * line, 20 + 95 * column
        paper[y : y + 84, x : x + 84] = np.minimum(paper[y : y + 84, x : x + 84], 235 - image * 0.8)
        places.append([line, x, y])
    path = tmp_path / "page.png"
    Image.fromarray(paper).save(path)
    return path, places


def test_read_gives_lines_boxes_and_a_picture(
    penstroke: Penstroke, model: Path, page: tuple[Path, list[list[int]]], tmp_path: Path
) -> None:
    path, places = page
    done = penstroke("read", model, path, "--out", tmp_path / "drawn", "--json")
    assert done.code == 0
    (found,) = done.json
    assert {"file", "lines", "digits", "left_out", "picture"} == found.keys()
    assert [len(line) for line in found["lines"]] == [4, 3]
    assert "".join(digit["label"] for digit in found["digits"]) == "".join(found["lines"])
    for digit, (line, x, y) in zip(found["digits"], places, strict=True):
        assert digit.keys() == {"line", "box", "label", "probability"}
        assert digit["line"] == line
        assert 0 < digit["probability"] <= 1
        left, top, width, height = digit["box"]
        assert x <= left + 3
        assert left + width <= x + 87
        assert y <= top + 3
        assert top + height <= y + 87
    with Image.open(found["picture"]) as drawn:
        assert drawn.size == (420, 260)
        assert drawn.convert("RGB").getcolors(1 << 16)
    assert "digits, the least sure" in penstroke("read", model, path, "--out", tmp_path / "drawn").out


def test_read_answers_the_rest_where_one_is_broken(
    penstroke: Penstroke, model: Path, page: tuple[Path, list[list[int]]], tmp_path: Path
) -> None:
    broken, blank = tmp_path / "broken.png", tmp_path / "blank.png"
    broken.write_bytes(b"no picture")
    Image.new("L", (200, 100), 250).save(blank)
    done = penstroke("read", model, broken, page[0], blank, "--out", tmp_path / "drawn", "--json")
    assert done.code == 3
    assert [bool(row["lines"]) for row in done.json] == [False, True, False]
    assert "error" in done.json[0]
    assert done.json[2] | {"picture": ""} == {
        "file": str(blank), "lines": [], "digits": [], "left_out": [], "picture": "",
    }  # fmt: skip
    plain = penstroke("read", model, broken, blank, "--out", tmp_path / "drawn")
    assert plain.code == 3
    assert "broken.png" in plain.err
    assert "no digits were found" in plain.out
    assert penstroke("read", model).code == 2
    assert penstroke("read", model, broken).code == 3


def test_pictures_of_a_preparation_are_drawn(
    penstroke: Penstroke, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(dataset().test.images[0, 0].numpy()).resize((90, 90)).save("seven.png")
    assert "seven-stages.png" in penstroke("show", "seven.png").out
    with Image.open("seven-stages.png") as drawn:
        assert drawn.width > 600
    done = penstroke("predict", model, "seven.png", "--explain-picture", "--json")
    assert done.json[0]["label"] is not None
    assert "stages: seven-stages.png" in done.err
    Path("words.png").write_text("words")
    assert penstroke("show", "words.png").code == 3
    assert penstroke("show", "seven.png", "--out", "other.png").code == 0
    assert Path("other.png").is_file()


def test_an_answer_below_the_threshold_is_withheld(penstroke: Penstroke, model: Path, tmp_path: Path) -> None:
    known = Classifier.load(model)
    strict = Calibration(temperature=1.0, threshold=1.0, images=10, refused=0, wrong=0)
    unsure = tmp_path / "unsure.safetensors"
    save_model(unsure, known.model, replace(known.description, calibration=strict))
    picture = tmp_path / "seven.png"
    Image.fromarray(dataset().test.images[0, 0].numpy()).resize((90, 90)).save(picture)
    (found,) = penstroke("predict", unsure, picture, "--json").json
    assert found["abstained"] is (found["probability"] < 1)
    if found["abstained"]:
        assert found["label"] is None
        assert "none of the classes" in found["reason"]
        assert len(found["probabilities"]) == 10


def test_what_is_no_digit_is_left_out_of_the_lines() -> None:
    sure, none = Reading((0.9, 0.1), ("0", "1")), Reading((0.5, 0.5), ("0", "1"), "it looks like none")
    box = (0, 0, 9, 9)
    page = Page((Mark(0, box, sure), Mark(0, box, none), Mark(1, box, none), Mark(2, box, sure)))
    assert page.lines == ["0", "0"]
    assert len(page.digits) == len(page.left_out) == 2


def test_the_most_pixels_can_be_set(penstroke: Penstroke, model: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("L", (1500, 1000), 255).save(large)
    for verb in ("predict", "read"):
        assert penstroke(verb, model, large).code == 0
        done = penstroke(verb, model, large, "--megapixels", 1)
        assert done.code == 3
        assert "1500" in done.err
        assert penstroke(verb, model, large, "--megapixels", 0).code == 2
