"""An own batch transform and an own loss of ``fit``, and its progress."""

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import UsageError
from penstroke.recipes import Recipe
from penstroke.training import Callback, Fitted, Progress, State, StopTraining, fit
from penstroke.training.progress import BarPrinter
from penstroke.training.snapshot import Snapshot, capture

RECIPE = recipes.fast(label_smoothing=0.0, batch_size=100, log_every=10)


def noisy(images: Tensor) -> Tensor:
    return (images.float() + 40 * torch.randn(images.shape)).clamp(0, 255)


def weights(fitted: Fitted) -> Any:
    return torch.cat([weight.flatten() for weight in fitted.model.state_dict().values()]).numpy()


def train(data: Dataset, recipe: Recipe = RECIPE, **options: Any) -> Fitted:
    return fit(recipe, data, device="cpu", progress=False, **options)


class StopAfter(Callback):
    """Keeps a snapshot after a number of steps, and stops the training."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.snapshot: Snapshot | None = None

    def on_train_start(self, state: State) -> None:
        self._state = state

    def on_step_end(self, progress: Progress) -> None:
        if progress.step == self._steps:
            self.snapshot = copy.deepcopy(capture(self._state))
            raise StopTraining


# ---- transform


def test_the_transform_gets_the_augmented_images_of_each_batch(small: Dataset) -> None:
    seen: list[Tensor] = []

    def keep(images: Tensor) -> Tensor:
        seen.append(images.clone())
        return images

    fitted = train(small, transform=keep)
    assert len(seen) == 20
    assert {(images.dtype, tuple(images.shape)) for images in seen} == {(torch.uint8, (100, 1, 28, 28))}
    raw = {image.tobytes() for image in small.train.images}
    assert any(image.numpy().tobytes() not in raw for image in seen[0]), "the recipe shifts the images first"
    np.testing.assert_array_equal(weights(fitted), weights(train(small)))


def test_the_transform_changes_the_training(small: Dataset) -> None:
    mirrored = Dataset.from_arrays(small.train.images[..., ::-1].copy(), small.train.labels)
    unshifted = RECIPE.replace(shift=0)
    expected = weights(train(mirrored, unshifted))
    np.testing.assert_allclose(weights(train(small, unshifted, transform=lambda images: images.flip(3))), expected)
    assert not np.allclose(weights(train(small, unshifted)), expected)


def test_a_random_transform_is_reproducible_and_resumable(small: Dataset) -> None:
    whole = weights(train(small, transform=noisy))
    torch.rand(7)
    np.testing.assert_array_equal(weights(train(small, transform=noisy)), whole)
    assert not np.array_equal(weights(train(small, RECIPE.replace(seed=1), transform=noisy)), whole)
    stop = StopAfter(7)
    train(small, transform=noisy, callbacks=[stop])
    np.testing.assert_array_equal(weights(train(small, transform=noisy, start=stop.snapshot)), whole)


TRANSFORMS: dict[str, tuple[Any, str]] = {
    "no function": (3, r"transform is 3 \(int\); it must be a function"),
    "no tensor": (lambda images: images.numpy(), "returned a ndarray; it must return a tensor"),
    "another shape": (
        lambda images: images[..., 1:],
        r"torch\.uint8 of shape \[100, 1, 28, 27\]; .*\[100, 1, 28, 28\]",
    ),
    "another count": (lambda images: images[1:], r"of shape \[99, 1, 28, 28\]"),
    "integers": (lambda images: images.long(), r"torch\.int64 of shape"),
    "scaled": (lambda images: images / 255, r"values up to 1 for images with values up to 255; .* in 0\.\.255"),
}


@pytest.mark.parametrize(("transform", "reason"), TRANSFORMS.values(), ids=TRANSFORMS)
def test_an_invalid_transform_is_rejected(transform: Any, reason: str, small: Dataset) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        train(small, transform=transform)
    assert caught.value.remedy


# ---- loss


def test_an_own_loss_replaces_the_negative_log_likelihood(small: Dataset) -> None:
    np.testing.assert_array_equal(weights(train(small, loss=torch.nn.NLLLoss())), weights(train(small)))

    def focal(log_probs: Tensor, labels: Tensor) -> Tensor:
        chosen = log_probs.gather(1, labels[:, None])[:, 0]
        return -((1 - chosen.exp()) ** 2 * chosen).mean()

    fitted = train(small, loss=focal)
    assert fitted.history.epochs[0].step_losses[0] == pytest.approx(0.9**2 * np.log(10), rel=0.01)
    assert not np.array_equal(weights(fitted), weights(train(small)))
    log_probs = fitted.classifier().log_probs(small.test.images)
    assert (log_probs.argmax(1) == small.test.labels).mean() > 0.5


LOSSES: dict[str, tuple[Any, str]] = {
    "no function": ("focal", r"loss is 'focal' \(str\); it must be a function"),
    "one loss for each image": (torch.nn.NLLLoss(reduction="none"), r"a tensor of shape \[100\]; .* scalar tensor"),
    "a number": (lambda log_probs, labels: 1.0, "The loss returned 1.0; .* scalar tensor"),
    "detached": (lambda log_probs, labels: log_probs.mean().detach(), "without a gradient"),
}


@pytest.mark.parametrize(("loss", "reason"), LOSSES.values(), ids=LOSSES)
def test_an_invalid_loss_is_rejected(loss: Any, reason: str, small: Dataset) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        train(small, loss=loss)
    assert caught.value.remedy


def test_options_of_the_loss_that_is_replaced_are_rejected(small: Dataset) -> None:
    with pytest.raises(UsageError, match=r"label_smoothing is 0\.05 and outliers is 0\.2") as caught:
        train(small, recipes.robust(), loss=torch.nn.NLLLoss())
    assert caught.value.remedy == "Pass recipe.replace(label_smoothing=0, outliers=0)."


# ---- progress


def test_progress_is_printed_on_stderr_unless_it_is_off(small: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    fit(RECIPE.replace(validation=0.2), small, device="cpu")
    out, err = capsys.readouterr()
    assert out == ""
    patterns = [
        r"epoch 1 \[1000/1600 \(62 %\)\] training loss \d\.\d{6}",
        r"epoch 1 \[1600/1600 \(100 %\)\] training loss \d\.\d{6}",
        r"epoch 1: training loss .*, calibrated validation loss .* \d+/400 correct \(.* %\), .* s",
    ]
    lines = err.splitlines()
    assert len(lines) == len(patterns)
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(patterns, lines, strict=True)), lines
    train(small)
    assert capsys.readouterr() == ("", "")


def test_a_run_prints_nothing_by_itself(
    small: Dataset, short_recipe: Callable[..., Recipe], tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from penstroke.training import train_run

    train_run(short_recipe(batch_size=500), small, device="cpu", out=tmp_path / "run")
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_closed_when_the_training_fails(
    small: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    calls: list[int] = []

    def failing(images: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return images

    closed: list[bool] = []
    close = BarPrinter.close

    def watched(self: BarPrinter) -> None:
        closed.append(self._bar is not None)
        close(self)

    monkeypatch.setattr(BarPrinter, "close", watched)
    with pytest.raises(KeyboardInterrupt):
        fit(RECIPE, small, device="cpu", transform=failing)
    assert closed == [True]
    assert "epoch 1/1" in capsys.readouterr().err
