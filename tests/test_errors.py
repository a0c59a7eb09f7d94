"""Errors carry a message, a remedy and an exit code; a missing extra is named with the command that installs it."""

import pickle
import sys
from pathlib import Path

import pytest

from penstroke import errors


@pytest.mark.parametrize(
    ("kind", "code"), [("Usage", 2), ("MissingExtra", 2), ("Data", 3), ("Model", 4), ("Run", 4), ("Storage", 4)]
)
def test_every_error_has_an_exit_code_and_is_a_value_error(kind: str, code: int) -> None:
    error = getattr(errors, f"{kind}Error")("What is wrong.")
    assert isinstance(error, errors.PenstrokeError)
    assert isinstance(error, ValueError)
    assert error.exit_code == code
    assert error.kind.replace("-", "") == kind.lower()


def test_the_text_of_an_error_is_message_and_remedy() -> None:
    assert str(errors.DataError("The file is empty.", "Download it again.")) == "The file is empty. Download it again."
    assert str(errors.DataError("The file is empty.")) == "The file is empty."


@pytest.mark.parametrize(
    "error",
    [
        errors.DataError("Empty.", "Fill it."),
        errors.EmptyPicture("only specks"),
        errors.MissingExtraError("train", "X."),
    ],
)
def test_errors_can_be_pickled(error: errors.PenstrokeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert (str(copy), copy.args) == (str(error), error.args)


def test_an_extra_that_is_installed_is_no_error() -> None:
    assert errors.require_extra("train", "json", "xml.dom") is None  # type: ignore[func-returns-value]


def test_a_missing_package_is_named_with_its_pip_line() -> None:
    with pytest.raises(errors.MissingExtraError) as caught:
        errors.require_extra("train", "json", "no_such_package.part")
    assert caught.value.message == "This needs the package no_such_package, which is not installed."
    assert caught.value.remedy == 'Install the extra with `pip install "penstroke[train]"`.'
    assert caught.value.extra == "train"


def test_a_package_that_torch_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(errors.MissingExtraError, match="needs the package no_such_dependency"):
        errors.require_extra("train", "half_installed")


@pytest.mark.parametrize("error", ["ImportError('no symbol x')", "OSError('libgomp.so: no such file')"])
def test_a_package_that_cannot_be_imported_is_named_with_the_reason(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(errors.MissingExtraError, match=r"package broken_package cannot be imported: .*no s"):
        errors.require_extra("train", "broken_package")
    assert "broken_package" not in sys.modules


def test_a_missing_extra_names_the_packages_to_install() -> None:
    error = errors.MissingExtraError("serve")
    assert str(error) == (
        'This needs packages that are not installed. Install the extra with `pip install "penstroke[serve]"`.'
    )


def test_the_nearest_word_and_all_known_ones_are_named() -> None:
    assert errors.nearest("mnits", ["mnist", "kmnist"]) == "Did you mean 'mnist'? Known: kmnist, mnist."
    assert errors.nearest("zzz", ["mnist"]) == "Known: mnist."
