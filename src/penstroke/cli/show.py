"""``penstroke show [RUN]``: test images with prediction and truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from penstroke.cli.chosen import open_classifier, open_data, pictures_folder, stages_name
from penstroke.cli.output import say, say_json
from penstroke.cli.parsing import parse
from penstroke.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """Draw test images with prediction, probabilities and truth, as a PNG and in the terminal.

    Given a picture file in place of RUN, draw how it is prepared for a network, stage by stage.
    """

    run: Annotated[Path | None, Positional] = None
    """Run folder or model file; by default the latest run."""
    index: int = 0
    """Which test image; with --count the first of them."""
    count: int = 1
    """How many images, drawn as a grid."""
    wrong: bool = False
    """Only images that the model gets wrong; --index then counts among those."""
    data: str | None = None
    """auto, a dataset's name, or a folder; by default the data that the model was trained on."""
    out: Path | None = None
    """The PNG file to write; by default one in the run's pictures, or here for a lone model file."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Draw, name the file, and show the picture in characters when it is one."""
    options = parse(ShowOptions, "show [RUN or PICTURE] [options]", words)
    if not 1 <= options.count <= 400:
        raise UsageError(f"--count is {options.count}, and must be from 1 to 400.")
    if options.out and options.out.suffix.lower() != ".png":
        raise UsageError(f"--out is {options.out}, and must end in .png.")

    if options.run and options.run.is_file() and options.run.suffix != ".safetensors":
        return _show_preparation(options.run, options)

    from penstroke.insight.terminal import draw
    from penstroke.insight.views import draw_samples

    classifier, place = open_classifier(options.run)
    split = open_data(classifier, options.data).test
    indices: Sequence[int] = range(len(split))
    if options.wrong:
        from penstroke.evaluation import evaluate

        indices = evaluate(classifier.log_probabilities, split).mistakes.tolist()
    kind = "wrongly answered test images" if options.wrong else "test images"
    if not 0 <= options.index < len(indices):
        raise UsageError(
            f"--index is {options.index}, and there are {len(indices)} {kind}.",
            f"Take one from 0 to {len(indices) - 1}." if indices else "The model gets all of them right.",
        )
    chosen = list(indices[options.index : options.index + options.count])
    folder = pictures_folder(place)
    name = ("wrong" if options.wrong else "sample") + ("" if len(chosen) == 1 else "s")
    if options.out:
        folder, name = options.out.parent, options.out.stem
    picture, samples = draw_samples(classifier, split, chosen, folder, name)
    if options.json:
        rows = [
            {"index": s.index, "prediction": s.predicted, "truth": s.truth, "probability": s.probability}
            for s in samples
        ]
        say_json({"run": str(place), "picture": str(picture), "samples": rows})
        return 0
    if len(samples) == 1:
        say(draw(samples[0].image))
    for sample in samples:
        say(
            f"test image {sample.index}: prediction {sample.predicted} "
            f"(probability {sample.probability:.4f}), truth {sample.truth}"
        )
    say(f"picture: {picture}")
    return 0


def _show_preparation(picture: Path, options: ShowOptions) -> int:
    """Draw the stages of a picture's preparation, as the latest run's model asks for it, or else for digits."""
    from penstroke import runs
    from penstroke.errors import RunError
    from penstroke.insight.views import draw_preparation
    from penstroke.models.description import read_description

    try:
        found = read_description(runs.latest().model_path)
        rule, size = found.picture_rule, found.image_shape[1]
    except RunError:
        rule, size = "digit", 28
    drawn = draw_preparation(picture, options.out or Path(stages_name(picture)), rule, size)
    if options.json:
        say_json({"file": str(picture), "picture": str(drawn)})
    else:
        say(f"picture: {drawn}")
    return 0
