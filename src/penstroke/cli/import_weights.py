"""``penstroke import FILE``: make a run from a third-party state dict."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstroke.cli.options import Json
from penstroke.cli.output import Result, escape_control
from penstroke.cli.shared import RunFolder, warn_if_renamed


def import_weights(
    file: Annotated[Path, Parameter(name="file", help="File written by torch.save(model.state_dict(), FILE).")],
    /,
    *,
    out: RunFolder = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Load the weights of a state dict, store them as a model in a new run, and return the run."""
    from penstroke.errors import require_extra

    require_extra("train", "torch")

    from penstroke import runs
    from penstroke.models.modules import save_model
    from penstroke.models.third_party import load_third_party
    from penstroke.runtime import environment

    model, description = load_third_party(file)
    imported = description.trained["imported"]
    run = runs.create(name=_run_name(file), environment=environment("cpu"), out=out, imported=imported)
    save_model(run.model_path, model, description)
    run.update(state="imported")
    warn_if_renamed(out, run.path)
    value = {"run": str(run.path), "kind": imported["kind"], "network": description.to_json()["network"]}
    text = (
        f"{file} has the weights of {imported['kind']}\n"
        f"run: {run.path} (not measured on test images yet: penstroke test {run.path})"
    )
    return Result(value, escape_control(text))


def _run_name(file: Path) -> str:
    """Return the name of the run of a file: the name of the file as a valid folder name."""
    name = "".join(letter for letter in file.stem if letter.isprintable()).strip(". ")
    return name[:100] or "imported"
