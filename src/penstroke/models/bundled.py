"""The bundled models: files in the package, made by ``make ready`` and described in ``docs/ready.md``."""

from pathlib import Path

NAME = "ready"
"""The name of the bundled model, used in place of a run."""
WEIGHTS = Path(__file__).parent / "ready" / "ready.safetensors"
"""The model file."""
ONNX = WEIGHTS.with_suffix(".onnx")
"""The same model for onnxruntime."""
STRIPS = WEIGHTS.with_name("strips.onnx")
"""The network that reads strips of touching digits, for onnxruntime."""
