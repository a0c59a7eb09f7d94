"""``penstroke import FILE``: make a run of weights that others saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from penstroke.cli.chosen import say_renamed
from penstroke.cli.output import say, say_json
from penstroke.cli.parsing import parse


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Make a run of a state-dict file (.pt, .pth) of the textbook's network or of PyTorch's MNIST example.

    Nothing in the file is executed.
    """

    file: Annotated[Path, Positional]
    """A file made by torch.save(model.state_dict(), FILE)."""
    out: Path | None = None
    """Folder for the run; the next free name is taken if it exists."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Import, and name the run."""
    options = parse(ImportOptions, "import FILE [options]", words)

    from penstroke import runs
    from penstroke.models.files import save_model
    from penstroke.models.foreign import load_foreign
    from penstroke.runtime import choose_device, environment

    model, description = load_foreign(options.file)
    imported = description.trained["imported"]
    made = runs.create(
        name=_run_name(options.file), environment=environment(choose_device("cpu")), out=options.out, imported=imported
    )
    save_model(made.model_path, model, description)
    made.update(state="imported")
    say_renamed(options.out, made.path)
    if options.json:
        say_json({"run": str(made.path), "kind": imported["kind"], "network": description.to_json()["network"]})
        return 0
    say(f"{options.file} holds weights of {imported['kind']}")
    say(f"run: {made.path} (not measured yet: penstroke test {made.path})")
    return 0


def _run_name(file: Path) -> str:
    """Return what a run of this file is called: a plain folder's name, whatever the file's is."""
    name = "".join(letter for letter in file.stem if letter.isprintable()).strip(". ")
    return name[:100] or "imported"
