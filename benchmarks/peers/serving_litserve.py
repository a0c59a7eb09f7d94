"""LitServe with batches of up to 16 around the classifier. Its requests are JSON, so pictures are base64."""

import base64
import sys
from collections.abc import Sequence
from typing import Any

import litserve

from penstroke import Classifier


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Predictions for pictures."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - the signature of LitServe
        self.classifier = Classifier.load("ready")

    def decode_request(self, request: dict[str, str]) -> bytes:
        return base64.b64decode(request["picture"])

    def batch(self, inputs: Sequence[bytes]) -> list[bytes]:
        return list(inputs)

    def predict(self, pictures: list[bytes]) -> list[Any]:
        return [prediction.to_json() for prediction in self.classifier.predict_each(pictures, workers=0)]

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> Any:
        return output


if __name__ == "__main__":
    api = Api(max_batch_size=16, batch_timeout=0.001, api_path="/v1/predict")
    litserve.LitServer(api, accelerator="cpu").run(port=int(sys.argv[1]), log_level="error", generate_client_file=False)
