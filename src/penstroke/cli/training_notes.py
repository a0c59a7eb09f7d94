"""Notes on stderr about a training run: before it, what too few images mean; after it, whether it has learned."""

from typing import TYPE_CHECKING

import numpy as np

from penstroke.cli.output import percent, warn
from penstroke.data.arrays import few
from penstroke.evaluation import MIN_REJECTION_IMAGES, wilson_interval
from penstroke.evaluation import score as measure

if TYPE_CHECKING:
    from penstroke.data import Dataset, Split
    from penstroke.recipes import Recipe
    from penstroke.training import Fitted

FEW_IMAGES = 10
"""Training images of a class below which a note is given."""
FEW_STEPS = 30
"""Steps of a training below which a note is given."""
_TRAINING_IMAGES = 500
"""Training images by which a network is judged if there are no validation images."""


def warn_before(recipe: "Recipe", data: "Dataset", processes: int = 1) -> None:
    """Report class weights, classes with few images, a rejection threshold that is not possible, and few steps.

    In several processes, also report larger batches and learning rates.
    """
    from penstroke.training.adapt import for_processes
    from penstroke.training.batches import steps_per_epoch
    from penstroke.training.schedules import scaling_factor

    warn_of_class_weights(recipe.class_weights, data)
    train = data.train
    if recipe.scaling != "none" and processes > 1:
        recipe = for_processes(recipe, len(train), processes)
        factor = scaling_factor(recipe.scaling, recipe.scaling_warmup, processes, 1.0)
        batches = f"{processes} processes compute batches of {recipe.batch_size}"
        warn(f"{batches}; learning rates are multiplied by {factor:.3g}")
    counts = np.bincount(train.labels, minlength=len(train.classes)).tolist()
    rare = [f"{name} {count}" for name, count in zip(train.classes, counts, strict=True) if count < FEW_IMAGES]
    if rare:
        warn(
            f"classes with fewer than {FEW_IMAGES} training images: {few(rare)}; the model may know them badly, and "
            "its accuracy on them cannot be measured well; add pictures, or start from another model (--init)"
        )
    wanted = recipe.validation
    if wanted and wanted.rejection_rate:
        count = len(data.validation) if data.validation else round(wanted.share * len(train))
        if count < MIN_REJECTION_IMAGES:
            warn(
                f"the model will never abstain: a rejection threshold needs at least {MIN_REJECTION_IMAGES} validation "
                f"images, and there are {count}; use more images, or a larger part of them (--validation)"
            )
    steps = recipe.epochs * steps_per_epoch(len(train), recipe.batch_size, recipe.epoch_share)
    if not recipe.scale_epochs and steps < FEW_STEPS:
        warn(f"the training has {steps} steps, which may be too few; more epochs (--epochs) give more")


def warn_of_class_weights(kind: str, data: "Dataset") -> None:
    """Report the weight and the number of images of each class if the loss is weighted.

    Args:
        kind: ``class_weights`` of the recipe.
        data: the data of the training. The counts include the validation split, which has the same proportions.
    """
    from penstroke.training.losses import class_weights

    weights = class_weights(kind, data.train)
    if weights is None:
        return
    counts = np.bincount(data.train.labels, minlength=len(data.train.classes)).tolist()
    rows = sorted(zip(weights.tolist(), data.train.classes, counts, strict=True), key=lambda row: (-row[0], row[1]))
    texts = [f"{name} {weight:.3g} ({count} images)" for weight, name, count in rows]
    warn(f"weights of the classes in the loss: {few(texts)}")


def note_rejection(fitted: "Fitted") -> None:
    """Report on how many outliers the model abstains, if it was trained on outliers and can abstain."""
    calibration = fitted.description.calibration
    if calibration and calibration.outliers and calibration.images >= MIN_REJECTION_IMAGES:
        warn(
            f"the model abstains on {calibration.outliers_rejected} of {calibration.outliers} outliers that were not "
            f"trained on, and on {calibration.rejected} of {calibration.images} validation images"
        )


def warn_if_guessing(fitted: "Fitted", data: "Dataset", *, balanced: bool = False) -> None:
    """Warn if the accuracy is not significantly above that of always choosing the commonest class.

    The accuracy is that of the validation images or, without any, of at most ``_TRAINING_IMAGES`` training images.

    Args:
        fitted: the result of the training.
        data: the data of the training.
        balanced: whether the loss was balanced between the classes. Then a good model may be right less often than one
            that always chooses the commonest class, and the accuracy is compared with that of a random choice.
    """
    row = fitted.history.kept_row
    if row is None:
        return
    score, split, kind = row.validation, data.validation or data.train, "validation"
    if score is None:
        split, kind = _spread(data.train), "training"
        score = measure(fitted.classifier().log_probs(split.images), split.labels)
    chance = 1 / len(split.classes) if balanced else float(np.bincount(split.labels).max()) / len(split)
    # Wilson's interval excludes chance under the same condition, and importing SciPy takes a tenth of a second.
    if (score.accuracy - chance) * score.total**0.5 > 1.96 * (chance * (1 - chance)) ** 0.5:
        return
    if score.correct == score.total:
        warn(f"{score.total} {kind} images, all correct, do not show whether the network has learned; use more images")
        return
    low, high = wilson_interval(score.correct, score.total)
    learned = "has not learned" if score.accuracy <= chance else "may not have learned"
    guess = "a random choice" if balanced else "always choosing the commonest class"
    warn(
        f"the network {learned}: its accuracy is {percent(score.accuracy)} on {score.total} {kind} images (95 % "
        f"interval {100 * low:.1f} to {100 * high:.1f} %), and {guess} gives {percent(chance)}; "
        "try a smaller learning rate (--lr), more epochs (--epochs) or more images"
    )


def _spread(split: "Split") -> "Split":
    """Return at most ``_TRAINING_IMAGES`` images of a split, at equal distances."""
    return split.subset(np.unique(np.linspace(0, len(split) - 1, _TRAINING_IMAGES).astype(np.int64)))
