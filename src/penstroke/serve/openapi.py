"""The OpenAPI description of the server. A test runs its examples."""

from typing import Any

from penstroke import __version__
from penstroke.serve.problems import TITLES
from penstroke.serve.settings import MAX_BATCH_IMAGES

EXAMPLE_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcAQAAAABaduI5AAAAH0lEQVR42mP8z8DwkYmBgYEBg3iE"
    "ypXAooRMgg27BACH5AMo6UbDqwAAAABJRU5ErkJggg=="
)
_NUMBER, _TEXT, _FLAG = {"type": "number"}, {"type": "string"}, {"type": "boolean"}
_LABEL = {"type": ["string", "null"]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TIMING = _object(queue_ms=_NUMBER, compute_ms=_NUMBER, shared={"type": "integer"})
_PREDICTION = _object(
    label=_LABEL,
    probability={"type": ["number", "null"]},
    probabilities=_list(_NUMBER),
    abstained=_FLAG,
    reason=_TEXT,
)
_DIGIT = _object(
    line={"type": "integer"}, box=_list({"type": "integer"}), label=_LABEL, probability={"type": ["number", "null"]}
)
_SCHEMAS = {
    "Prediction": {"allOf": [_PREDICTION, _object(timing=_TIMING)]},
    "Page": _object(
        lines=_list(_TEXT),
        digits=_list(_DIGIT),
        rejected=_list(_DIGIT),
        rotation={"type": "integer", "enum": [0, 90, 180, 270]},
        timing=_TIMING,
    ),
    "Batch": _object(predictions=_list(_PREDICTION), timing=_TIMING),
    "Problem": _object(
        type=_TEXT,
        code={"type": "string", "enum": list(TITLES)},
        status={"type": "integer"},
        title=_TEXT,
        request_id=_TEXT,
    ),
    "Stored": _object(stored={"type": "integer"}, label=_TEXT),
    "Model": _object(source=_TEXT, backend=_TEXT, classes=_list(_TEXT), image_shape=_list({"type": "integer"})),
    "State": _object(status=_TEXT),
}
_PICTURE = {
    "required": True,
    "description": "The file itself: PNG, JPEG, WebP, BMP or GIF.",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/*", "application/octet-stream")
    },
}


def _parameter(name: str, text: str) -> dict[str, Any]:
    schema = {"type": "integer", "enum": [0, 1], "default": 0}
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


_VIEW = _parameter("view", "Add what the network saw, as base64 of uint8 pixels.")


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _operation(summary: str, schema: str, status: int = 200, **values: Any) -> dict[str, Any]:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        "summary": summary,
        "responses": {
            str(status): {"description": "The answer", "content": _json(schema)},
            "default": {"description": "A problem", "content": {"application/problem+json": problem}},
        },
        "security": [{}, {"token": []}],
    } | values


def description() -> dict[str, Any]:
    """Return the OpenAPI description, version 3.1."""
    shape = {
        "name": "X-Shape",
        "in": "header",
        "required": False,
        "description": f"n,c,h,w of uint8 images, with n at most {MAX_BATCH_IMAGES}; for application/octet-stream.",
        "schema": {"type": "string", "example": "1,1,28,28"},
    }
    raw = _parameter("raw", "Use the picture as it is, without preparation; it must have the model's size.")
    label = {"name": "label", "in": "query", "required": True, "schema": {"type": "string"}}
    batch = {
        "required": True,
        "content": {
            "application/json": {
                "schema": _object(pictures=_list({"type": "string", "contentEncoding": "base64"})),
                "example": {"pictures": [EXAMPLE_PNG]},
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
    text = {"200": {"description": "The metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstroke", "version": __version__, "description": "Classification of small pictures."},
        "paths": {
            "/v1/predict": {
                "post": _operation(
                    "Classify a picture of one symbol", "Prediction", parameters=[_VIEW, raw], requestBody=_PICTURE
                )
            },
            "/v1/read": {
                "post": _operation("Read all digits of a page", "Page", parameters=[_VIEW], requestBody=_PICTURE)
            },
            "/v1/predict-batch": {
                "post": _operation("Classify many images", "Batch", parameters=[shape], requestBody=batch)
            },
            "/v1/corrections": {
                "post": _operation(
                    "Store a drawing with its right label", "Stored", 201, parameters=[label], requestBody=_PICTURE
                )
            },
            "/v1/model": {"get": _operation("Describe the model", "Model")},
            "/healthz": {"get": _operation("Tell whether the process answers", "State")},
            "/readyz": {"get": _operation("Tell whether the model is loaded", "State")},
            "/metrics": {"get": _operation("Return metrics for Prometheus", "State") | {"responses": text}},
        },
        "components": {"schemas": _SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
