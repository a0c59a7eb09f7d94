"""The parts of a recipe: optimizers, schedules, augmentation, evaluation and validation, as typed values.

This module imports neither torch nor NumPy.
"""

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field, model_validator

from penstroke.schema import value_class

LearningRate = Annotated[float, Gt(0), Lt(10_000)]
Fraction = Annotated[float, Ge(0), Lt(1)]
Half = Annotated[float, Ge(0), Le(0.5)]
Count = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Rate = Annotated[LearningRate, Field(description="Learning rate.")]
Momentum = Annotated[Fraction, Field(description="Momentum.")]
WeightDecay = Annotated[Fraction, Field(description="Weight decay: decoupled for adamw, L2 for the others.")]


@value_class
class Adadelta:
    """Adadelta (Zeiler, 2012, https://arxiv.org/abs/1212.5701), the optimizer of the textbook."""

    kind: ClassVar[str] = "adadelta"
    lr: Rate = 0.5
    weight_decay: WeightDecay = 0.0


@value_class
class Adam:
    """Adam (Kingma and Ba, 2014, https://arxiv.org/abs/1412.6980)."""

    kind: ClassVar[str] = "adam"
    lr: Rate = 0.001
    weight_decay: WeightDecay = 0.0


@value_class
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017, https://arxiv.org/abs/1711.05101)."""

    kind: ClassVar[str] = "adamw"
    lr: Rate = 0.001
    weight_decay: WeightDecay = 0.0


@value_class
class Muon:
    """Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/), with Adam for biases and the head."""

    kind: ClassVar[str] = "muon"
    lr: Rate = 0.02
    momentum: Momentum = 0.9
    rescale: bool = Field(
        default=False,
        description="Rescale weight matrices to norm sqrt(rows) before each step; for layers before a normalisation.",
    )
    by_gram: bool = Field(
        default=False,
        description="Orthogonalise large matrices with small square ones: faster, with other rounding.",
    )
    head_lr: LearningRate = Field(default=0.005, description="Learning rate of Adam for the biases and the last layer.")


@value_class
class RMSprop:
    """RMSprop (Tieleman and Hinton, 2012)."""

    kind: ClassVar[str] = "rmsprop"
    lr: Rate = 0.001
    momentum: Momentum = 0.0
    weight_decay: WeightDecay = 0.0


@value_class
class SGD:
    """Stochastic gradient descent, with or without momentum."""

    kind: ClassVar[str] = "sgd"
    lr: Rate = 0.05
    momentum: Momentum = 0.0
    nesterov: bool = Field(default=False, description="Nesterov momentum.")
    weight_decay: WeightDecay = 0.0
    decay_biases: bool = Field(default=True, description="Apply weight decay to biases and normalisation layers, too.")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "SGD":
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov is True but momentum is 0; set momentum, for example to 0.9")
        return self


@value_class
class Constant:
    """The learning rate does not change."""

    kind: ClassVar[str] = "constant"


@value_class
class OneCycle:
    """The learning rate rises from zero, then falls to zero (Smith and Topin, 2018, https://arxiv.org/abs/1708.07120)."""

    kind: ClassVar[str] = "one-cycle"
    warmup: Fraction = Field(default=0.1, description="Fraction of the training in which the learning rate rises.")


@value_class
class StepDecay:
    """The learning rate is multiplied by a factor after each epoch."""

    kind: ClassVar[str] = "step"
    lr_decay: Annotated[float, Gt(0), Le(1)] = Field(
        default=0.7, description="Factor by which the learning rate is multiplied after each epoch."
    )


Optimizer = Adadelta | Adam | AdamW | Muon | RMSprop | SGD
Schedule = Constant | OneCycle | StepDecay

OPTIMIZERS: dict[str, type[Optimizer]] = {part.kind: part for part in (Adadelta, Adam, AdamW, Muon, RMSprop, SGD)}
"""The optimizers by kind."""
SCHEDULES: dict[str, type[Schedule]] = {part.kind: part for part in (Constant, OneCycle, StepDecay)}
"""The learning-rate schedules by kind."""


@value_class
class Augmentation:
    """Random augmentation of the training images."""

    shift: Annotated[int, Ge(0), Le(64)] = Field(
        default=0, description="Largest random shift of a batch in each direction, in pixels."
    )
    distortion: Annotated[float, Ge(0), Le(2)] = Field(
        default=0.0, description="Strength of random distortions (rotation, bending, blur and others); 1 is strong."
    )
    warp: Annotated[float, Ge(0), Le(2)] = Field(
        default=0.0, description="Strength of random rotation, scaling, shearing and bending alone; 1 is strong."
    )
    crop: Half = Field(
        default=0.0,
        description="Largest random shift of each image, with reflected borders, as a fraction of its sides.",
    )
    flip: bool | None = Field(
        default=False,
        description="Mirror half of the images; `general` does if mirrored training images look like others.",
    )
    jitter: Fraction = Field(
        default=0.0, description="Largest random change of brightness, contrast and saturation, as a fraction."
    )
    mix_channels: bool = Field(
        default=False,
        description="Multiply the channels of each image by random weights; for networks that use their mean.",
    )
    cutout: Fraction = Field(
        default=0.0, description="Sides of a random rectangle that is covered, as a fraction of those of the image."
    )
    outliers: Half = Field(
        default=0.0, description="Fraction of each batch replaced by outliers, which show none of the classes."
    )

    @model_validator(mode="after")
    def _warped_once(self) -> "Augmentation":
        if self.distortion and self.warp:
            raise ValueError(
                f"distortion is {self.distortion} and warp is {self.warp}, but distortion includes it; set one to 0"
            )
        return self


@value_class
class Evaluation:
    """How a model is evaluated during training."""

    test_each_epoch: bool = Field(
        default=False,
        description="Evaluate on the test set after each epoch; the result does not influence the training.",
    )
    test_batch_size: Count = Field(default=500, description="Images per batch in evaluation.")


@value_class
class Selection:
    """Which weights of a training run are kept, and when it ends before its last epoch.

    Both are decided by the loss on validation images, never by test images.
    """

    keep: Literal["last", "best", "average"] = Field(
        default="last",
        description="Weights that are kept: last (of the last step), best (of the epoch with the lowest validation "
        "loss) or average (moving average of the weights after each step).",
    )
    patience: Annotated[int, Ge(0)] = Field(
        default=0,
        description="Epochs without a lower validation loss after which the training ends; 0 trains all epochs.",
    )


@value_class
class Validation:
    """A stratified part of the training set that is used to evaluate and calibrate the model, not to train it."""

    share: Annotated[float, Gt(0), Le(0.5)] = Field(
        description="Fraction of the training images used for validation and calibration; 0 for none."
    )
    seed: Seed = Field(default=0, description="Seed of the validation split.")
    rejection_rate: Half = Field(
        default=0.005,
        description="Fraction of the validation images that the calibrated model may reject as uncertain; with fewer "
        "than 100 of them it rejects none.",
    )
