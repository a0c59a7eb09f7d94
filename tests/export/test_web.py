"""Tests of the web format: the files of the page, and the model in it. tests/web tests the page in a browser."""

import base64
import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstroke.errors import ModelError
from penstroke.export.precision import round_model
from penstroke.export.program import Program
from penstroke.export.runtimes import _page_arrays
from penstroke.export.web import web_page


def program(**weights: np.ndarray) -> Program:
    return Program(({"op": "Relu", "inputs": ["x"], "output": "y", "attributes": {}},), weights, "x", "y")


def model_in(page: bytes) -> dict[str, Any]:
    block = re.search(r'<script type="application/json" id="model">(.*?)</script>', page.decode(), re.DOTALL)
    assert block
    values: dict[str, Any] = json.loads(block[1])
    return values


FLOATS = arrays.arrays(
    np.float32, arrays.array_shapes(min_dims=0, max_dims=4, max_side=4), elements=st.floats(-60000, 60000, width=32)
)


@given(st.lists(FLOATS, max_size=4))
def test_arrays_are_the_rounded_arrays_of_the_program(values: list[np.ndarray]) -> None:
    given_arrays = {f"array{i}": value for i, value in enumerate(values)}
    page = web_page(program(**given_arrays), {}, single_file=True)["index.html"]
    stored = _page_arrays(model_in(page))
    expected = round_model(given_arrays)
    assert stored.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(stored[name], array)


def test_a_weight_that_is_too_large_is_rejected() -> None:
    with pytest.raises(ModelError, match="65504"):
        web_page(program(weight=np.full((2, 2), 70000, np.float32)), {}, single_file=True)


def test_text_of_the_model_cannot_end_its_block() -> None:
    description = {"classes": ["</script><script>alert(1)</script>", "<!--"], "source": "a & b"}
    page = web_page(program(), description, single_file=False)["index.html"]
    model = model_in(page)
    assert model["description"] == description
    assert model["program"] == program().to_json()
    assert b"<script>alert" not in page


def test_a_folder_has_the_files_that_the_page_names() -> None:
    files = web_page(program(), {}, single_file=False)
    page = files["index.html"].decode()
    named = re.findall(r'(?:src|href)="([^"#:]+)"', page)
    assert sorted(files) == sorted(["index.html", *named])
    assert "script-src 'self'; style-src 'self'" in page
    assert files == web_page(program(), {}, single_file=False)


def test_one_file_allows_its_scripts_and_its_style_by_hash() -> None:
    files = web_page(program(), {}, single_file=True)
    assert list(files) == ["index.html"]
    page = files["index.html"].decode()
    assert "'self'" not in page
    for tag, policy in (("script", "script-src"), ("style", "style-src")):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]
        assert f"{policy} {' '.join(hashes)};" in page
        assert texts


@pytest.mark.parametrize("single_file", [False, True])
def test_pages_name_no_other_site_and_have_no_inline_code(single_file: bool) -> None:
    for content in web_page(program(), {}, single_file=single_file).values():
        text = content.decode()
        assert set(re.findall(r"https?://[^\s'\"]+", text)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"<[^>]+ (style|on\w+)=", text)


def test_only_comments_with_types_are_left_out() -> None:
    script = web_page(program(), {}, single_file=False)["runtime.js"].decode()
    assert "@param" not in script
    assert "  // " in script
    assert script.startswith('"use strict";')
