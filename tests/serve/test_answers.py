"""The answers of the server are those of ``Classifier``."""

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from support.server import Server

from penstroke import Classifier
from penstroke.serve.check import stored_digits


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load("ready")


def without_timing(answer: dict) -> dict:  # type: ignore[type-arg]
    assert answer.pop("timing")["compute_ms"] >= 0
    return answer


def test_predictions_are_those_of_the_classifier(server: Server, classifier: Classifier, photo: bytes) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        stream = io.BytesIO()
        Image.open(io.BytesIO(photo)).convert("L").resize((160, 160)).save(stream, kind)
        status, answer = server.post("/v1/predict", stream.getvalue())
        expected = classifier.predict(stream.getvalue()).to_json()
        assert status == 200
        assert answer["label"] == expected["label"] == "8"
        assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
        assert (answer["abstained"], answer["reason"]) == (expected["abstained"], expected["reason"])


def test_concurrent_requests_get_their_own_answers(server: Server, classifier: Classifier, digits: list[bytes]) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda digit: server.post("/v1/predict", digit), digits * 4))
    expected = classifier.predict(digits * 4)
    assert [status for status, _ in answers] == [200] * 200
    assert [answer["label"] for _, answer in answers] == [prediction.label for prediction in expected]
    for (_, answer), prediction in zip(answers, expected, strict=True):
        assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-5)
    assert max(answer["timing"]["shared"] for _, answer in answers) > 1


def test_a_page_is_read_as_by_the_classifier(server: Server, classifier: Classifier, page: bytes) -> None:
    status, answer = server.post("/v1/read", page)
    assert status == 200
    assert answer["lines"] == classifier.read(page).lines
    _, viewed = server.post("/v1/read?view=1", page)
    assert len(viewed["symbols"]) == len(answer["digits"]) + len(answer["rejected"])
    assert len(base64.b64decode(viewed["symbols"][0]["input"]["pixels"])) == 28 * 28


def test_a_batch_is_classified_as_raw_images(server: Server, classifier: Classifier) -> None:
    images = stored_digits()
    status, answer = server.post(
        "/v1/predict-batch", images.tobytes(), content_type="application/octet-stream", x_shape="50,1,28,28"
    )
    assert status == 200
    assert [each["label"] for each in answer["predictions"]] == [p.label for p in classifier.predict(images)]


def test_a_batch_in_json_reports_each_picture(server: Server, digits: list[bytes]) -> None:
    pictures = [base64.b64encode(content).decode() for content in (digits[35], b"GIF89a", digits[5])]
    body = json.dumps({"pictures": pictures}).encode()
    status, answer = server.post("/v1/predict-batch", body, content_type="application/json")
    assert status == 200
    assert [each["label"] for each in answer["predictions"]] == ["7", None, "1"]
    assert answer["predictions"][1]["error"]["kind"] == "data"


def test_view_and_raw(server: Server, classifier: Classifier, digits: list[bytes]) -> None:
    _, viewed = server.post("/v1/predict?view=1", digits[20])
    assert viewed["input"]["shape"] == [1, 28, 28]
    status, raw = server.post("/v1/predict?raw=1", digits[20])
    expected = classifier.predict(stored_digits()[20])
    assert status == 200
    assert raw["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    stream = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(stream, "PNG")
    assert server.post("/v1/predict?raw=1", stream.getvalue())[0] == 422


def test_an_empty_picture_abstains(server: Server) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(stream, "PNG")
    for query in ("", "?view=1"):
        status, answer = server.post(f"/v1/predict{query}", stream.getvalue())
        assert (status, answer["label"], answer["abstained"]) == (200, None, True)


def test_the_model_card_has_no_paths(server: Server) -> None:
    status, card = server.get("/v1/model")
    assert status == 200
    assert card["classes"] == list("0123456789")
    assert card["backend"] == "onnx"
    assert card["test"]["accuracy"] > 0.99
    assert "environment" not in card["trained"]


def test_metrics_count_answers(server: Server, photo: bytes) -> None:
    server.post("/v1/predict", photo)
    server.post("/v1/predict", b"no picture")
    text = server.request("GET", "/metrics")[2].decode()
    assert 'penstroke_requests_total{route="/v1/predict",status="200"}' in text
    assert 'penstroke_predictions_total{label="8"}' in text
    assert 'penstroke_rejections_total{reason="invalid-picture"}' in text
    assert "penstroke_abstention_rate" in text


def test_examples_of_the_openapi_description_work(server: Server, digits: list[bytes]) -> None:
    _, description = server.get("/openapi.json")
    batch = description["paths"]["/v1/predict-batch"]["post"]["requestBody"]["content"]["application/json"]
    body = json.dumps(batch["example"]).encode()
    status, answer = server.post("/v1/predict-batch", body, content_type="application/json")
    assert status == 200
    assert "error" not in answer["predictions"][0]
    for path, methods in description["paths"].items():
        if "get" in methods:
            assert server.request("GET", path)[0] == 200, path
