"""The loop: step, epoch, fit; what is random hangs on (seed, epoch, step) alone."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from trained import dataset, head, short, small

from penstroke import Classifier, ConvNet, evaluate, fit, recipes
from penstroke.data import Dataset, Split, folders, load
from penstroke.data import batches as data_batches
from penstroke.data.augment import shifted
from penstroke.data.batches import batches, shuffled
from penstroke.data.idx import write_idx
from penstroke.data.split import pixel_statistics
from penstroke.errors import ModelError, UsageError
from penstroke.models.forward import log_probabilities
from penstroke.runtime import seed_step
from penstroke.training import EpochRow, Progress, Sink, StopTraining, train_step
from penstroke.training.adadelta import Adadelta
from penstroke.training.losses import smoothed_nll
from penstroke.training.muon import orthogonal
from penstroke.training.optimizers import build_optimizers, lr_factor

CPU = torch.device("cpu")


def weights(**changes: object) -> dict[str, torch.Tensor]:
    return fit(short(**changes), small(), "cpu").model.state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_learning_happens() -> None:
    data = dataset()
    fitted = fit(
        short(epochs=1), Dataset(data.card, head(data.train, 4000), lambda: data.test, requested="auto"), "cpu"
    )
    (row,) = fitted.history.epochs
    assert row.test is not None
    assert row.test.accuracy > 0.88
    first, last = row.step_losses[:10], row.step_losses[-10:]
    assert sum(last) < sum(first) / 3
    report = evaluate(Classifier(fitted.model, fitted.description).log_probabilities, data.test)
    assert report.score == row.test, "the line after the epoch and `test` are one figure"


def test_one_seed_gives_identical_weights_and_another_does_not() -> None:
    first = weights()
    torch.randn(7)  # what ran before does not matter
    assert same(first, weights())
    assert not same(first, weights(seed=1))


class Draws(Sink):
    def stepped(self, progress: Progress) -> None:
        torch.randn(progress.step)


def test_what_else_draws_random_numbers_does_not_matter() -> None:
    disturbed = fit(short(), small(), "cpu", [Draws()]).model.state_dict()
    assert same(weights(), disturbed)


def test_order_is_a_function_of_seed_and_epoch() -> None:
    orders = [shuffled(1000, seed, epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert torch.equal(orders[0], shuffled(1000, 0, 1))
    assert all(sorted(order.tolist()) == list(range(1000)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_dropout_is_a_function_of_seed_epoch_and_step() -> None:
    def drawn(*place: int) -> list[float]:
        seed_step(*place)
        return torch.rand(4).tolist()

    places = [(0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0), (1, 0, 1)]
    assert drawn(0, 1, 0) == drawn(0, 1, 0)
    assert len({tuple(drawn(*place)) for place in places}) == len(places)


def test_batches_go_through_every_image_once() -> None:
    split = head(dataset().train, 100)
    order = shuffled(100, 0, 1)
    parts = list(batches(split, 32, 0, 1, CPU))
    assert [len(labels) for _, labels in parts] == [32, 32, 32, 4]
    assert torch.equal(torch.cat([images for images, _ in parts]), split.images[order])
    assert torch.equal(torch.cat([labels for _, labels in parts]), split.labels[order])


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Split:
    """Return 2,000 images that lie in a plain IDX file, as a set does that is too large for memory."""
    monkeypatch.setattr(folders, "MAP_ABOVE", 0)
    for part, split in (("train", small().train), ("t10k", small().test)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", split.images[:, 0].numpy())
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", split.labels.numpy().astype("uint8"))
    train = load(tmp_path).train
    assert train.mapped
    return train


def test_a_mapped_file_is_gone_through_in_shuffled_blocks(mapped: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_batches, "BLOCK", 64)
    monkeypatch.setattr(data_batches, "GROUP", 5)
    first, again, other = (list(batches(mapped, 48, 0, epoch, CPU)) for epoch in (1, 1, 2))
    assert [len(labels) for _, labels in first] == [48] * 41 + [32]
    for (images, labels), (same, _) in zip(first, again, strict=True):
        assert torch.equal(images, same)
        assert labels.unique().numel() > 4
    whole = torch.cat([images for images, _ in first]).flatten(1)
    expected = small().train.images.flatten(1)
    assert sorted(map(bytes, whole.numpy())) == sorted(map(bytes, expected.numpy()))
    assert not torch.equal(whole, torch.cat([images for images, _ in other]).flatten(1))
    table = {bytes(image): label for image, label in zip(expected.numpy(), small().train.labels.tolist(), strict=True)}
    found = torch.cat([labels for _, labels in first]).tolist()
    assert [table[bytes(image)] for image in whole.numpy()] == found


def test_statistics_and_training_do_not_hang_on_where_images_lie(mapped: Split) -> None:
    assert pixel_statistics(mapped) == pixel_statistics(small().train)
    data = Dataset(small().card, mapped, lambda: small().test, requested="auto")
    (row,) = fit(recipes.fast(batch_size=50, test_each_epoch=True), data, "cpu").history.epochs
    assert row.test
    assert row.test.accuracy > 0.8


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_every_optimizer_goes_downhill(name: str) -> None:
    torch.manual_seed(0)
    model = ConvNet(dropout=(0.0, 0.0))
    lr = {"adadelta": 0.5, "sgd": 0.05, "muon": 0.05}.get(name, 0.002)
    optimizers = build_optimizers(name, model, lr=lr, momentum=0.5, weight_decay=1e-4, head_lr=0.002)
    batch = head(dataset().train, 64)
    losses = [train_step(model, optimizers, batch.images, batch.labels).item() for _ in range(30)]
    assert losses[-1] < losses[0] / 1.5


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_adadelta_takes_pytorchs_steps(weight_decay: float) -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 50)) for _ in range(2))
    optimizers = Adadelta([ours], 0.5, weight_decay), torch.optim.Adadelta([theirs], 0.5, weight_decay=weight_decay)
    for _ in range(200):
        ours.grad = torch.randn(50)
        theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_small_weights_train_as_they_would_apart() -> None:
    batch = head(dataset().train, 64)
    models = []
    for flat in (False, True):
        torch.manual_seed(0)
        model = ConvNet(dropout=(0.0, 0.0))
        apart: list[torch.optim.Optimizer] = [Adadelta(model.parameters(), 0.5)]
        optimizers = build_optimizers("adadelta", model, 0.5, 0, 0.0, 0.1) if flat else apart
        for _ in range(3):
            train_step(model, optimizers, batch.images, batch.labels)
        models.append(model.state_dict())
    for name, expected in models[0].items():
        assert torch.equal(models[1][name], expected)


def test_learning_rate_schedules() -> None:
    assert {lr_factor("constant", done / 10, 2, 0.7, 0.1) for done in range(10)} == {1.0}
    assert [lr_factor("step", done, 4, 0.5, 0) for done in (0, 0.24, 0.25, 0.5, 0.99)] == [1, 1, 0.5, 0.25, 0.125]
    cycle = [lr_factor("one-cycle", done / 100, 1, 0.7, 0.25) for done in range(101)]
    assert max(cycle) == cycle[25] == 1
    assert (cycle[0], cycle[100]) == (0, 0)
    assert all(after > before for before, after in pairwise(cycle[:26]))
    assert all(after < before for before, after in pairwise(cycle[25:]))
    assert lr_factor("one-cycle", 0.0, 1, 0.7, 0.0) == 1


def test_smoothing_is_cross_entropys() -> None:
    torch.manual_seed(0)
    model = ConvNet(dropout=(0.0, 0.0))
    batch = head(dataset().train, 32)
    expected = torch.nn.functional.cross_entropy(model(batch.images), batch.labels, label_smoothing=0.1).item()
    loss = partial(smoothed_nll, smoothing=0.1)
    found = train_step(model, [torch.optim.SGD(model.parameters(), 0.0)], batch.images, batch.labels, loss).item()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(16, 9), (9, 16), (12, 12)])
def test_muons_matrix_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    made = orthogonal(torch.randn(*shape), steps=5)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_a_shift_moves_the_whole_batch_and_brings_black_in() -> None:
    images = torch.full((3, 1, 6, 5), 200, dtype=torch.uint8)
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        moved = shifted(images, 1)
        assert moved.shape == images.shape
        assert torch.equal(moved[0], moved[2])
        seen.add(tuple(moved[0, 0].float().mean(0).tolist()) + tuple(moved[0, 0].float().mean(1).tolist()))
    assert len(seen) == 9, "three moves each way"
    assert shifted(images, 0) is images


class Watch(Sink):
    def __init__(self, stop_at: int = 10**9) -> None:
        self.steps: list[Progress] = []
        self.rows: list[EpochRow] = []
        self.stop_at = stop_at

    def stepped(self, progress: Progress) -> None:
        self.steps.append(progress)
        if len(self.steps) == self.stop_at:
            raise StopTraining

    def epoch_ended(self, row: EpochRow) -> None:
        self.rows.append(row)


def test_sinks_see_every_step_and_epoch() -> None:
    watch = Watch()
    history = fit(recipes.book(batch_size=64), small(), "cpu", [watch]).history
    assert history.finished
    assert history.epochs == watch.rows
    assert [(p.epoch, p.step, p.images) for p in watch.steps[:2]] == [(1, 1, 64), (1, 2, 128)]
    assert [(p.epoch, p.step, p.images) for p in watch.steps[-1:]] == [(2, 32, 2000)]
    losses = [p.loss.item() for p in watch.steps if p.epoch == 2]
    assert losses == pytest.approx(watch.rows[1].step_losses)
    sizes = [64] * 31 + [16]
    mean = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / 2000
    assert watch.rows[1].train_loss == pytest.approx(mean)


def test_a_stopped_training_is_unfinished_and_has_a_model() -> None:
    watch = Watch(stop_at=40)
    fitted = fit(recipes.book(batch_size=64), small(), "cpu", [watch])
    assert not fitted.history.finished
    assert len(watch.steps) == 40
    assert [row.epoch for row in fitted.history.epochs] == [1]
    assert not fitted.model.training


def test_the_test_set_is_not_opened_unless_the_recipe_says_so() -> None:
    data = small()

    def opened() -> None:
        raise AssertionError("the test set was opened")

    closed = Dataset(data.card, data.train, opened, requested="auto")  # type: ignore[arg-type]
    (row,) = fit(short(test_each_epoch=False, validation=0.1, batch_size=100), closed, "cpu").history.epochs
    assert row.test is None
    assert row.validation is not None
    assert row.validation.total == pytest.approx(200, abs=10)
    with pytest.raises(AssertionError, match="opened"):
        fit(short(batch_size=500), closed, "cpu")


def test_statistics_are_the_recipes_or_measured() -> None:
    given = fit(short(batch_size=500), small(), "cpu").description
    measured = fit(short(batch_size=500, mean=None, std=None), small(), "cpu").description
    assert (given.mean, given.std) == (0.1302, 0.3069)
    pixels = small().train.images.double() / 255
    assert measured.mean == pytest.approx(pixels.mean().item(), abs=1e-9)
    assert measured.std == pytest.approx(pixels.std(unbiased=False).item(), abs=1e-9)


def test_a_training_that_diverges_says_where() -> None:
    with pytest.raises(ModelError, match=r"loss of step \d+ of epoch 1 is (nan|inf)"):
        fit(short(optimizer="sgd", lr=9000.0), small(), "cpu")


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="unknown"):
        fit(short(), small(), "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="does not have"):
            fit(short(), small(), "cuda")


def test_answers_do_not_hang_on_the_batch_size_and_leave_the_mode() -> None:
    model = ConvNet().train()
    pixels = dataset().train.images[:70]
    torch.testing.assert_close(log_probabilities(model, pixels, 500), log_probabilities(model, pixels, 7))
    assert model.training
