"""``penstroke predict ... --output DIR``: predictions of many pictures as Parquet files, by Ray Data."""

import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import integer_from
from penstroke.cli.output import Result, warn
from penstroke.cli.seeds import check_inapplicable
from penstroke.errors import DataError, UsageError, require_extra

if TYPE_CHECKING:
    from penstroke.scale import ImageArray, Manifest, Pictures

LINES = 20
"""Number of lines of progress where there is no terminal."""
Output = Annotated[
    Path | None,
    Parameter(
        name="--output",
        help="Folder for Parquet files, for many pictures; the same command continues it.",
        metavar="PATH",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    Parameter(
        name="--address",
        help="With --output: address of a Ray cluster, such as auto.",
        metavar="ADDRESS",
        show_default="Ray on this machine",
    ),
]
PartSize = Annotated[
    int | None,
    Parameter(
        name="--part-size",
        help="With --output: pictures in a file.",
        metavar="INT",
        converter=integer_from(1),
        show_default="2,000; 20,000 of an array",
    ),
]
Workers = Annotated[
    int | None,
    Parameter(
        name="--workers",
        help="With --output: processes that predict.",
        metavar="INT",
        converter=integer_from(1, 100_000),
        show_default="one per core",
    ),
]


def check_output_options(output: Path | None, many: dict[str, Any], others: dict[str, Any]) -> None:
    """Check the options that apply only with ``--output``, and those that do not.

    Args:
        output: what ``--output`` states.
        many: values of options that need it, by name.
        others: values of options that cannot be given together with it.

    Raises:
        UsageError: an option does not apply; all of them are listed.
    """
    if output:
        check_inapplicable("--output", others)
    elif given := [name for name, value in many.items() if value is not None]:
        raise UsageError(f"{', '.join(given)}: only together with --output.", "Add --output DIR.")


def predict_many(
    model: Path | None,
    arguments: Sequence[Path],
    output: Path,
    address: str | None,
    part_size: int | None,
    workers: int | None,
    max_pixels: int,
    device: str,
) -> Result:
    """Predict pictures and arrays of images, and return the number of rows.

    Args:
        model: run or model file; None for the latest run.
        arguments: pictures, folders, patterns and arrays.
        output: folder of the results.
        address: see ``RayEngine``.
        part_size: see ``plan_job``.
        workers: see ``RayEngine``.
        max_pixels: see ``plan_job``.
        device: what ``--device`` states.

    Raises:
        UsageError: the device is not a CPU.
        MissingExtraError: Ray or PyArrow is not installed.
        DataError: an array cannot be used, or there are no pictures.
        RunError, ModelError, StorageError, ProcessError: see ``Job.run`` and ``RayEngine``.
    """
    if device not in ("auto", "cpu"):
        raise UsageError(f"--device is {device!r}; with --output, pictures are predicted on the CPU.", "Omit it.")
    require_extra("scale", "pyarrow", "ray.data")
    from penstroke.cli.progress import counter
    from penstroke.cli.shared import choose_run
    from penstroke.scale import plan_job
    from penstroke.scale.engine import RayEngine

    chosen = choose_run(model)
    job = plan_job(_inputs(arguments, chosen), chosen, output, part_size=part_size, max_pixels=max_pixels)
    finished = 0
    try:
        # Ray prints which processes it replaces on stdout, which is for results.
        with counter("pictures classified") as notify, open(os.devnull, "w") as nothing, redirect_stdout(nothing):

            def report(done: int, total: int) -> None:
                nonlocal finished
                if LINES * done // total > LINES * finished // total or not done:
                    notify(done, total)
                finished = done

            manifest = job.run(RayEngine(address, workers), report, warn)
    except (KeyboardInterrupt, SystemExit):
        warn(f"interrupted after {finished} of {job.images} pictures; the same command continues")
        raise
    return _result(manifest, output)


def _inputs(arguments: Sequence[Path], model: Path) -> "list[Pictures | ImageArray]":
    """Return the inputs in the order of the arguments; adjacent pictures form one input."""
    from penstroke.cli.picture_paths import find_pictures
    from penstroke.inference.source import describe, model_path
    from penstroke.scale import ImageArray, Pictures, open_array
    from penstroke.scale.inputs import is_array_file, shards_in

    shape = describe(model_path(model)).image_shape
    inputs: list[Pictures | ImageArray] = []
    pictures: list[Path] = []
    for argument in arguments:
        arrays = shards_in(argument) or ([argument] if is_array_file(argument) else [])
        if not arrays:
            pictures += find_pictures([argument])
            continue
        if pictures:
            inputs.append(Pictures(tuple(pictures)))
            pictures = []
        inputs += [open_array(array, shape) for array in arrays]
    return [*inputs, Pictures(tuple(pictures))] if pictures else inputs


def _result(manifest: "Manifest", output: Path) -> Result:
    value = {
        "output": str(output),
        "run": manifest.model,
        "rows": manifest.rows,
        "abstained": manifest.abstained,
        "errors": manifest.errors,
        "parts": len(manifest.parts),
        "manifest": str(output / "manifest.json"),
    }
    text = (
        f"{output}: {manifest.rows} rows in {len(manifest.parts)} files; no label for {manifest.abstained}, "
        f"errors for {manifest.errors}"
    )
    return Result(value, text, exit_code=DataError.exit_code if manifest.errors else 0)
