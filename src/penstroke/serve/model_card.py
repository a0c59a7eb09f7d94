"""What a server tells of its model. Paths of the machine that trained it are left out."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from penstroke import __version__

_PACKAGES = ("numpy", "pillow", "onnxruntime", "torch", "uvicorn")


def model_card(model: dict[str, Any]) -> dict[str, Any]:
    """Return the model card as plain JSON values.

    Args:
        model: what the template reported of the model.
    """
    description = dict(model["description"])
    trained = dict(description.pop("trained", None) or {})
    data = dict(trained.get("data") or {})
    kept = {name: trained[name] for name in ("recipe", "epochs", "seed") if name in trained}
    if isinstance(data.get("name"), str):
        kept["data"] = data["name"]
    if isinstance(data.get("corrections"), dict):
        kept["corrections"] = data["corrections"].get("images")
    return {
        "source": "+".join(Path(member).name for member in str(model["source"]).split("+")),
        "backend": model["backend"],
        "threshold": model["threshold"],
        **description,
        "trained": kept,
        "check_accuracy": model["check_accuracy"],
        "versions": {"penstroke": __version__, "python": platform.python_version()} | _versions(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
