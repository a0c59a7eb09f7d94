"""Recipes in TOML files; errors name the file, the field and its line."""

import json
from pathlib import Path

import pytest

from penstroke import recipes
from penstroke.errors import UsageError
from penstroke.networks import PatchNet
from penstroke.recipes import Adam, Recipe
from penstroke.recipes.toml import toml_text


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_changes_the_recipe_book(tmp_path: Path) -> None:
    path = written(tmp_path, 'epochs = 3\noptimizer = "adam"\nlr = 0.001\nchannels = [8, 16]\nmean = 0.5\n')
    assert Recipe.from_toml(path) == recipes.book(epochs=3, optimizer=Adam(lr=0.001), channels=(8, 16), mean=0.5)
    assert Recipe.from_toml(str(path)) == Recipe.from_toml(path)


def test_a_file_changes_the_recipe_that_it_names_or_the_given_one(tmp_path: Path) -> None:
    path = written(tmp_path, 'recipe = "fast"\nepochs = 3\n')
    assert Recipe.from_toml(path, recipes.book()) == recipes.fast(epochs=3)
    path = written(tmp_path, "epochs = 3\n")
    assert Recipe.from_toml(path, recipes.robust()) == recipes.robust(epochs=3)


def test_a_network_is_a_kind_or_a_table(tmp_path: Path) -> None:
    path = written(tmp_path, 'network = "patchnet"\n')
    assert Recipe.from_toml(path).network == PatchNet()
    path = written(tmp_path, '[network]\nkind = "patchnet"\nhidden = 7\n')
    assert Recipe.from_toml(path).network == PatchNet(hidden=7)
    path = written(tmp_path, 'recipe = "robust"\n[network]\nhidden = 7\n')
    assert Recipe.from_toml(path) == recipes.robust(hidden=7)


def test_the_flat_fields_of_a_recipe_round_trip_through_toml(tmp_path: Path) -> None:
    recipe = recipes.robust(mean=(0.1, 0.2, 0.3), std=0.25)
    # JSON writes numbers, texts, truth values and lists as TOML does.
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in recipe.flat().items())
    assert Recipe.from_toml(written(tmp_path, text)) == recipe


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("epochs = 0\n\nlr = -1.0", ["epochs is 0 but must be a whole number, at least 1 (line 1)", "(line 3)"]),
        ("# epochs\nepoch = 3", ["epoch is not a field (did you mean 'epochs'?) (line 2)"]),
        ("momentum = 0.5", ["momentum does not apply to optimizer 'adadelta' (line 1)"]),
        ("[network]\nwidth = 3", ["width is not a field (line 2)"]),
        ("[network]\nkind = 3", ["network is 3 but must be one of convnet, patchnet"]),
        ("[optimizer]\nkind = 'adam'", ["optimizer is {'kind': 'adam'} but must be one of"]),
        ("seed = 2024-01-01", ["seed is datetime.date(2024, 1, 1) but must be a whole number"]),
        ("lr = nan", ["lr is nan"]),
        ("recipe = 3", ["recipe is 3"]),
        ("recipe = 'fats'", ["Did you mean 'fast'"]),
        ("epochs = \nlr = 0.1", ["not a TOML file", "line 1"]),
        ("epochs = 1\nepochs = 2\nlr = 0.1", ["not a TOML file", "line 2"]),
    ],
)
def test_an_error_names_the_file_the_field_and_the_line(tmp_path: Path, text: str, problems: list[str]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        Recipe.from_toml(path)
    assert str(path) in caught.value.message
    for problem in problems:
        assert problem in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.toml does not exist"):
        Recipe.from_toml(tmp_path / "nothing.toml")
    with pytest.raises(UsageError, match="is not readable"):
        Recipe.from_toml(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        Recipe.from_toml(tmp_path / "bytes.toml")
    with pytest.raises(UsageError, match="is not a TOML file"):
        Recipe.from_toml(written(tmp_path, "a = " + "[" * 100_000))


@pytest.mark.parametrize(
    "recipe",
    [
        *(recipes.get(name) for name in recipes.RECIPES),
        recipes.book(mean=None, std=None, optimizer="sgd", lr=1e-7),
        recipes.book(mean=None),
    ],
)
def test_a_written_recipe_is_read_back(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(toml_text(recipe))
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe
