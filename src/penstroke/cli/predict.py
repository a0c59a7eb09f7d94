"""``penstroke predict [RUN] PICTURE...``: classify pictures that show one symbol or thing each."""

import contextlib
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import MEGAPIXEL, Device, Json, Megapixels, PicturesArgument, RunArgument, integer_from
from penstroke.cli.output import JsonArray, Result, escape_control, percent, print_error, say, warn
from penstroke.cli.predict_many import Address, Output, PartSize, Workers, check_output_options, predict_many
from penstroke.cli.shared import check_output_file, open_classifier, pictures_folder, split_run, stages_name
from penstroke.errors import DataError, EmptyPicture, PenstrokeError, require_extra

if TYPE_CHECKING:
    from penstroke.inference import Classifier, Prediction

MANY = 500
"""Number of pictures from which on progress is printed."""

Top = Annotated[
    int | None,
    Parameter(
        name="--top",
        help="Print the INT most probable labels of each picture, also where the model abstains.",
        metavar="INT",
        converter=integer_from(1),
        show_default=False,
    ),
]
Csv = Annotated[
    Path | None,
    Parameter(name="--csv", help="CSV file to write, with a row per picture.", metavar="FILE", show_default=False),
]
Explain = Annotated[
    bool,
    Parameter(
        name="--explain-picture",
        help="Also draw the preparation of each picture as a PNG.",
        negative="",
        show_default=False,
    ),
]


def predict(
    run: RunArgument = None,
    /,
    *pictures: PicturesArgument,
    top: Top = None,
    csv: Csv = None,
    explain_picture: Explain = False,
    output: Output = None,
    address: Address = None,
    part_size: PartSize = None,
    workers: Workers = None,
    megapixels: Megapixels = 50,
    device: Device = "cpu",
    json: Json = False,
) -> Result:
    """Print the prediction for each picture as soon as it is made; for an unreadable picture, its error.

    With ``output``, write the predictions to Parquet files instead: see ``predict_many``.

    Raises:
        DataError: the only picture is not readable, or a folder or a pattern has no pictures.
        StorageError: the CSV file cannot be written.
    """
    model, arguments = split_run(run, pictures, "predict")
    many = {"--address": address, "--part-size": part_size, "--workers": workers}
    check_output_options(output, many, {"--top": top, "--csv": csv, "--explain-picture": explain_picture})
    if output:
        max_pixels = MEGAPIXEL * megapixels
        return predict_many(model, arguments, output, address, part_size, workers, max_pixels, device)
    if explain_picture:
        require_extra("train", "matplotlib")
    if csv:
        check_output_file("--csv", csv)

    from penstroke.cli.picture_paths import find_pictures

    paths = find_pictures(arguments)
    classifier, place = open_classifier(model, device)
    max_pixels = MEGAPIXEL * megapixels
    draw = _stages_drawer(classifier, pictures_folder(place), max_pixels) if explain_picture else None
    printer = _JsonPrinter(place, top) if json else _TextPrinter(top)
    predictions = _printed(_predictions(classifier, paths, max_pixels), printer, draw)
    return _print_all(predictions, printer, csv, classifier.description.classes)


def _print_all(
    predictions: Iterator["Predicted"], printer: "_TextPrinter | _JsonPrinter", csv: Path | None, classes: Sequence[str]
) -> Result:
    """Take all predictions, which are printed meanwhile; an error after the first one is printed, too.

    Raises:
        PenstrokeError: the first prediction failed.
    """
    failed: PenstrokeError | None = None
    try:
        _consume(predictions, csv, classes)
    except PenstrokeError as error:
        if not printer.started:
            raise
        failed = error
    if csv and not failed:
        printer.note(f"csv: {csv}")
    printer.close()
    if failed:
        print_error(failed, as_json=False)
    code = failed.exit_code if failed else DataError.exit_code if printer.errors else 0
    return Result(None, exit_code=code, printed=True)


Predicted = tuple[Path, "Prediction"]
"""A picture with its prediction."""


def _predictions(classifier: "Classifier", paths: Sequence[Path], max_pixels: int) -> Iterator[Predicted]:
    """Yield each picture with its prediction; the progress with many of them is printed.

    Raises:
        DataError: the only picture cannot be used.
    """
    from penstroke.cli.progress import counter

    total = len(paths)
    # The results on a terminal show the progress themselves.
    shown = total >= MANY and not sys.stdout.isatty()
    with counter("pictures classified") if shown else contextlib.nullcontext() as notify:
        predictions = classifier.predict_each(paths, max_pixels=max_pixels)
        for number, (path, prediction) in enumerate(zip(paths, predictions, strict=True), start=1):
            if prediction.error and total == 1:
                raise prediction.error
            yield path, prediction
            if notify and (20 * number // total > 20 * (number - 1) // total):
                notify(number, total)


def _printed(
    predictions: Iterator[Predicted],
    printer: "_TextPrinter | _JsonPrinter",
    draw: "Callable[[Path], Path | None] | None",
) -> Iterator[Predicted]:
    """Print each prediction and yield it; ``draw`` draws the stages of a readable picture."""
    for path, prediction in predictions:
        printer.add(path, prediction)
        if draw and not prediction.error and (drawn := draw(path)):
            printer.note(f"stages: {drawn}")
        yield path, prediction


def _consume(predictions: Iterator[Predicted], csv: Path | None, classes: Sequence[str]) -> None:
    """Take all predictions, and write them to a CSV file if there is one.

    Raises:
        StorageError: the file cannot be written.
    """
    if not csv:
        deque(predictions, maxlen=0)
        return
    from penstroke import storage

    names = [f"p_{name}" for name in classes]
    columns = ["file", "label", "probability", "abstained", "reason", "error", *names]
    rows = (
        {
            "file": path,
            "label": prediction.label,
            "probability": prediction.probability,
            "abstained": prediction.abstained,
            "reason": prediction.reason,
            "error": str(prediction.error) if prediction.error else None,
            **dict(zip(names, prediction.probabilities, strict=False)),
        }
        for path, prediction in predictions
    )
    storage.write_csv(csv, rows, columns)


class _JsonPrinter:
    """Prints predictions as the rows of one JSON array.

    Args:
        run: the run or model file.
        top: number of most probable labels in a row; None for a row without them.
    """

    def __init__(self, run: Path, top: int | None) -> None:
        self._array = JsonArray()
        self._run, self._top = str(run), top
        self.started, self.errors = False, 0

    def add(self, path: Path, prediction: "Prediction") -> None:
        self.started, self.errors = True, self.errors + bool(prediction.error)
        row: dict[str, Any] = {"file": str(path), "run": self._run} | prediction.to_json()
        if self._top:
            row["top"] = [{"label": name, "probability": value} for name, value in prediction.ranking[: self._top]]
        self._array.add(row)

    @staticmethod
    def note(text: str) -> None:
        warn(text)

    def close(self) -> None:
        self._array.close()


class _TextPrinter:
    """Prints predictions as lines, and errors on stderr.

    Args:
        top: number of labels in a line; None for three, and for none if the model abstains.
    """

    def __init__(self, top: int | None) -> None:
        self._top = top
        self.started, self.errors = False, 0

    def add(self, path: Path, prediction: "Prediction") -> None:
        self.started, self.errors = True, self.errors + bool(prediction.error)
        if prediction.error:
            print_error(prediction.error, as_json=False)
        else:
            self.note(f"{path}: {self._text(prediction)}")

    @staticmethod
    def note(text: str) -> None:
        say(escape_control(text))

    def close(self) -> None:
        """Do nothing: each line is complete."""

    def _text(self, prediction: "Prediction") -> str:
        ranking = [f"{label}: {percent(probability)}" for label, probability in prediction.ranking]
        if prediction.abstained:
            likely = f"; most probable are {', '.join(ranking[: self._top])}" if self._top and ranking else ""
            return f"no prediction ({prediction.reason}{likely})"
        others = ranking[1 : self._top or 3]
        then = f", then {', '.join(others)}" if others else ""
        return f"{prediction.label} (probability {percent(prediction.probability or 0.0)}{then})"


def _stages_drawer(classifier: "Classifier", folder: Path, max_pixels: int) -> Callable[[Path], Path | None]:
    """Return a function that draws the preparation of a picture, and returns the PNG file.

    For a picture without a symbol it returns None. Pictures of the same name in several folders get files of their own.
    """
    from penstroke.report.views import draw_preparation

    model = classifier.description
    names: Counter[str] = Counter()

    def draw(path: Path) -> Path | None:
        names[stages_name(path)] += 1
        number = names[stages_name(path)]
        name = Path(stages_name(path))
        png = folder / (name if number == 1 else name.with_stem(f"{name.stem}-{number}"))
        with contextlib.suppress(EmptyPicture):
            return draw_preparation(path, png, model.preprocessing, model.image_shape, max_pixels)
        return None

    return draw
