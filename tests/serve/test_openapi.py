"""Requests that are drawn from the OpenAPI description, valid and invalid: every answer is one that it describes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.server import Server, png

from penstroke.serve.check import stored_digits
from penstroke.serve.openapi import EXAMPLE_PNG, description

DESCRIPTION = description()
OPERATIONS = [
    pytest.param(path, method, id=f"{method} {path}")
    for path, methods in DESCRIPTION["paths"].items()
    for method in methods
]
KINDS: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
KINDS |= {"number": (int, float), "null": type(None)}


def problems(value: Any, schema: dict[str, Any], where: str = "body") -> list[str]:
    """Return where a value differs from a schema of the description."""
    if "$ref" in schema:
        return problems(value, DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]], where)
    if "allOf" in schema:
        return [problem for part in schema["allOf"] for problem in problems(value, part, where)]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
        return [f"{where} is {value!r}, not {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is {value!r}"]
    found = [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, part in schema.get("properties", {}).items():
        found += problems(value[name], part, f"{where}.{name}") if isinstance(value, dict) and name in value else []
    for number, item in enumerate(value if "items" in schema else ()):
        found += problems(item, schema["items"], f"{where}[{number}]")
    return found


def changed(content: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy for a file with changed bytes."""
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)

    def change(edits: list[tuple[int, int]]) -> bytes:
        data = bytearray(content)
        for place, byte in edits:
            data[place] = byte
        return bytes(data)

    return places.map(change)


DIGIT = png(stored_digits()[35, 0])
TEXTS = st.text(max_size=20)
PICTURES = st.one_of(st.just(DIGIT), changed(DIGIT), st.binary(max_size=200))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXTS | st.just(EXAMPLE_PNG),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.just("pictures") | TEXTS, inner, max_size=3),
    max_leaves=8,
)
BATCHES = st.one_of(
    st.lists(st.just(EXAMPLE_PNG) | TEXTS, max_size=4).map(lambda pictures: {"pictures": pictures}), JSON_VALUES
).map(lambda value: json.dumps(value).encode())


def parameter(schema: dict[str, Any]) -> st.SearchStrategy[str | None]:
    """Return a strategy for a parameter: absent, valid, or any text."""
    valid = [str(value) for value in schema.get("enum", [schema.get("example", "7")])]
    return st.none() | st.sampled_from(valid) | TEXTS


@st.composite
def requests(draw: st.DrawFn, path: str, method: str) -> tuple[str, bytes | None, dict[str, str]]:
    """Draw path with query, body and headers of a request for an operation."""
    operation = DESCRIPTION["paths"][path][method]
    query, headers = {}, {}
    for each in operation.get("parameters", ()):
        value = draw(parameter(each["schema"]))
        if value is not None and each["in"] == "query":
            query[each["name"]] = value
        elif value is not None and value.isascii() and value.isprintable():
            headers[each["name"].lower().replace("-", "_")] = value
    if "requestBody" not in operation:
        return f"{path}?{urlencode(query)}", None, headers
    types = [*operation["requestBody"]["content"], "text/plain", "multipart/form-data; boundary=a"]
    kind = draw(st.sampled_from(types))
    body = draw(BATCHES if "json" in kind else PICTURES)
    return f"{path}?{urlencode(query)}", body, headers | {"content_type": kind.replace("image/*", "image/png")}


def check(server: Server, path: str, method: str, request: tuple[str, bytes | None, dict[str, str]]) -> None:
    """Send a request, and assert that the answer is one that the description has."""
    target, body, headers = request
    status, found, content = server.request(method.upper(), target, body, **headers)
    assert status < 500 or status == 503, (request, status, content)
    responses = DESCRIPTION["paths"][path][method]["responses"]
    response = responses.get(str(status)) or responses["default"]
    kind = found["content-type"].partition(";")[0]
    schema = response["content"][kind]["schema"]
    assert not problems(json.loads(content) if "json" in kind else content.decode(), schema), (request, content)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_those_of_the_description(server: Server, path: str, method: str) -> None:
    @settings(max_examples=12, deadline=None, derandomize=True, database=None)
    @given(requests(path, method))
    def run(request: tuple[str, bytes | None, dict[str, str]]) -> None:
        check(server, path, method, request)

    run()


@pytest.mark.campaign
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_thousands_of_requests_of_the_description(server: Server, path: str, method: str) -> None:
    @settings(max_examples=2500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(requests(path, method))
    def run(request: tuple[str, bytes | None, dict[str, str]]) -> None:
        check(server, path, method, request)

    run()


@pytest.mark.campaign
def test_schemathesis(server: Server) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    if not program.exists():
        pytest.skip("schemathesis is not installed")
    checks = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"
    words = [str(program), "run", f"{server.url}/openapi.json", "--checks", checks, "--max-examples", "1500"]
    done = subprocess.run([*words, "--generation-database", "none"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_differences_from_the_description_are_found() -> None:
    schema = {"$ref": "#/components/schemas/Page"}
    page = {
        "lines": ["1"],
        "digits": [],
        "rejected": [],
        "rotation": 0,
        "timing": {"queue_ms": 1, "compute_ms": 1.5, "shared": 1},
    }
    assert problems(page, schema) == []
    assert problems(page | {"lines": [1]}, schema) == ["body.lines[0] is 1, not ['string']"]
    del page["timing"]
    assert problems(page, schema) == ["body.timing is missing"]
