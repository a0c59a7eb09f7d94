"""``PenstrokeClassifier``: scikit-learn's own checks, its tools, the forms of images, and invalid arguments."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from penstroke import Classifier, Dataset, PenstrokeClassifier, recipes
from penstroke.errors import ModelError, UsageError

SMALL: dict[str, Any] = {"epochs": 40, "batch_size": 64, "channels": (4, 8), "hidden": 16}
"""A small network, for tests on few images."""
ROWS, LABELS = (array[:300] for array in load_digits(return_X_y=True))


def estimator(**parameters: Any) -> PenstrokeClassifier:
    return PenstrokeClassifier(**{"options": SMALL | {"epochs": 6}, "device": "cpu"} | parameters)


@pytest.fixture(scope="module")
def fitted() -> PenstrokeClassifier:
    return estimator().fit(ROWS, LABELS)


# No check is expected to fail.
@parametrize_with_checks([PenstrokeClassifier(options=SMALL, device="cpu")])  # type: ignore[untyped-decorator]
@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks cause warnings on purpose
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_default_learns_the_digits_of_scikit_learn() -> None:
    rows, labels = load_digits(return_X_y=True)
    assert PenstrokeClassifier(device="cpu").fit(rows[:1000], labels[:1000]).score(rows[1000:], labels[1000:]) > 0.95


def test_probabilities_and_predictions_agree(fitted: PenstrokeClassifier) -> None:
    probabilities = fitted.predict_proba(ROWS)
    assert probabilities.shape == (300, 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(1)], fitted.predict(ROWS))
    assert fitted.n_features_in_ == 64
    assert (fitted.image_shape_, fitted.value_range_) == ((8, 8), (0.0, 16.0))
    assert fitted.classifier_.description.image_shape == (1, 16, 16)
    assert fitted.score(ROWS, LABELS) > 0.7


def test_it_works_with_the_tools_of_scikit_learn() -> None:
    pipeline = make_pipeline(MinMaxScaler(), estimator())
    names = np.array(list("abcdefghij"))[LABELS]
    assert cross_val_score(pipeline, ROWS, names, cv=2).mean() > 0.3
    grid = {"options": [SMALL | {"epochs": epochs} for epochs in np.array([1, 8])]}
    search = GridSearchCV(estimator(), grid, cv=2).fit(ROWS, LABELS)
    assert search.best_params_["options"]["epochs"] == 8
    assert search.best_estimator_.classifier_.description.classes == tuple("0123456789")


def test_parameters_and_clones(fitted: PenstrokeClassifier) -> None:
    recipe = recipes.fast(epochs=2, channels=(4, 8), hidden=16)
    given = PenstrokeClassifier(recipe, validation=0.2, device="cpu").set_params(seed=np.int64(3))
    assert given.get_params()["recipe"] is recipe
    copy = clone(given)
    assert copy.get_params() == given.get_params()
    first, second = (each.fit(ROWS, LABELS).predict_proba(ROWS) for each in (given, copy))
    np.testing.assert_array_equal(first, second)
    assert given.classifier_.description.calibration is not None
    assert not np.array_equal(given.set_params(seed=4).fit(ROWS, LABELS).predict_proba(ROWS), first)


def test_it_is_pickled_as_a_model_file(fitted: PenstrokeClassifier, tmp_path: Path) -> None:
    content = pickle.dumps(fitted)
    assert b"torch" not in content
    joblib.dump(fitted, tmp_path / "estimator.joblib")
    for loaded in (pickle.loads(content), joblib.load(tmp_path / "estimator.joblib")):
        np.testing.assert_array_equal(loaded.predict_proba(ROWS), fitted.predict_proba(ROWS))
        assert loaded.get_params() == fitted.get_params()
    assert not hasattr(pickle.loads(pickle.dumps(estimator())), "classifier_")
    state = fitted.__getstate__()
    with pytest.raises(ModelError, match="truncated"):
        estimator().__setstate__(state | {"classifier_": state["classifier_"][:-1]})


def test_the_classifier_is_saved_as_a_model_file(fitted: PenstrokeClassifier, tmp_path: Path) -> None:
    fitted.classifier_.save(tmp_path / "model.safetensors")
    enlarged = np.rint(ROWS.reshape(-1, 1, 8, 8) / 16 * 255).astype(np.uint8).repeat(2, 2).repeat(2, 3)
    found = Classifier.load(tmp_path / "model.safetensors").log_probs(enlarged)
    np.testing.assert_allclose(np.exp(found), fitted.predict_proba(ROWS), rtol=1e-5)


# ---- images


def test_images_of_all_forms_give_the_same_network(fitted: PenstrokeClassifier) -> None:
    images = np.rint(ROWS.reshape(-1, 8, 8) / 16 * 255).astype(np.uint8)
    expected = fitted.predict_proba(ROWS)
    forms = {"[n, h, w]": images, "[n, c, h, w]": images[:, None], "[n, h, w, c]": images[..., None]}
    for name, array in forms.items():
        found = estimator().fit(array, LABELS)
        assert found.image_shape_ == array.shape[1:]
        assert found.value_range_ == (0.0, 255.0)
        np.testing.assert_array_equal(found.predict_proba(array), expected, err_msg=name)
        np.testing.assert_array_equal(found.predict_proba(array.reshape(300, -1)), expected, err_msg=name)
    listed = estimator(value_range=(0, 16)).fit(ROWS.reshape(-1, 8, 8).tolist(), LABELS.tolist())
    np.testing.assert_array_equal(listed.predict_proba(ROWS.reshape(-1, 8, 8)), expected)


def test_colour_images_in_rows_have_the_given_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Dataset] = []
    make = Dataset.from_arrays

    def watched(*given: Any, **options: Any) -> Dataset:
        made.append(make(*given, **options))
        return made[-1]

    monkeypatch.setattr(Dataset, "from_arrays", watched)
    images = np.random.RandomState(0).randint(0, 256, (20, 20, 24, 3)).astype(np.uint8)
    labels = np.arange(20) % 2
    quick = estimator(options=SMALL | {"epochs": 1})
    for rows, shape in ((images, (20, 24, 3)), (images.transpose(0, 3, 1, 2), (3, 20, 24))):
        found = clone(quick).set_params(image_shape=shape).fit(rows.reshape(20, -1), labels)
        assert found.image_shape_ == shape
        np.testing.assert_array_equal(made[-1].train.images, images.transpose(0, 3, 1, 2))
    row = clone(quick).fit(images.reshape(20, -1)[:, :5], labels)
    assert row.image_shape_ == (1, 5)
    assert made[-1].train.images.shape == (20, 1, 16, 20)
    np.testing.assert_array_equal(made[-1].train.images[:, 0, 15, ::4], images.reshape(20, -1)[:, :5])


def test_values_are_scaled_rounded_and_clipped() -> None:
    trained = estimator(options=SMALL | {"epochs": 1}, value_range=(-1, 1)).fit(ROWS / 8 - 1, LABELS)
    values = np.array([-2, -1, 0.003, 1, 3])
    images = trained._images(np.tile(values[:, None], 64))
    assert images[:, 0, 0, 0].tolist() == [0, 0, 128, 255, 255]


def test_data_of_few_images_is_trained_for_more_steps(capsys: pytest.CaptureFixture[str]) -> None:
    few: dict[str, Any] = {"options": {"channels": (4, 8), "hidden": 16}, "device": "cpu", "verbose": True}
    PenstrokeClassifier(**few).fit(ROWS, LABELS)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("epoch 200: training loss")  # two steps each
    PenstrokeClassifier(recipes.fast(channels=(4, 8), hidden=16), device="cpu", verbose=True).fit(ROWS, LABELS)
    assert capsys.readouterr().err.splitlines()[-1].startswith("epoch 1: training loss"), "a recipe is complete"
    estimator().fit(ROWS, LABELS)
    assert capsys.readouterr() == ("", "")


# ---- invalid arguments

INVALID: dict[str, tuple[dict[str, Any], Any, str]] = {
    "recipe": ({"recipe": "slow"}, ROWS, "'slow' is unknown"),
    "kind of recipe": ({"recipe": 3}, ROWS, r"recipe is 3 \(int\); it must be a recipe"),
    "option": ({"options": {"epoch": 3}}, ROWS, "epoch is not a field"),
    "seed": ({"seed": -1}, ROWS, "seed is -1"),
    "validation": ({"validation": 0.7}, ROWS, "validation is 0.7"),
    "device": ({"device": "abacus"}, ROWS, "abacus"),
    "product": ({"image_shape": (8, 9)}, ROWS, r"image_shape is \(8, 9\); the images in X have 64 values"),
    "another shape": ({"image_shape": (4, 16)}, ROWS.reshape(-1, 8, 8), r"the images in X have the shape \[8, 8\]"),
    "two channels": ({}, ROWS.reshape(-1, 2, 4, 8), r"shape \[2, 4, 8\]; it must be"),
    "kind of options": ({"options": "fast"}, ROWS, "options is 'fast'; it must be a dictionary"),
    "kind of shape": ({"image_shape": 64}, ROWS, "image_shape is 64; it must be a tuple of 2 or 3 numbers"),
    "kind of range": ({"value_range": (0, "x")}, ROWS, "value_range is .*; it must be a tuple of 2 numbers"),
    "range": ({"value_range": (1, 1)}, ROWS, r"value_range is \(1, 1\)"),
}


@pytest.mark.parametrize(("parameters", "images", "reason"), INVALID.values(), ids=INVALID)
def test_invalid_arguments_are_rejected(parameters: dict[str, Any], images: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        PenstrokeClassifier(**{"device": "cpu", **parameters}).fit(images, LABELS)
    assert caught.value.remedy


def test_one_class_is_rejected() -> None:
    with pytest.raises(UsageError, match=r"y has 1 class, '7'; a classifier needs at least two"):
        estimator().fit(ROWS[:3], [7, 7, 7])


def test_prediction_needs_the_training_and_its_image_shape(fitted: PenstrokeClassifier) -> None:
    with pytest.raises(NotFittedError):
        estimator().predict(ROWS)
    with pytest.raises(ValueError, match="X has 63 features"):
        fitted.predict(ROWS[:, 1:])
    with pytest.raises(UsageError, match=r"shape \[4, 16\]; those of the training had \[8, 8\]"):
        fitted.predict(ROWS.reshape(-1, 4, 16))
