"""The command line with pictures that cannot be read among readable ones."""

import json
from pathlib import Path

import pytest
from campaigns import picture_fuzz
from campaigns.model_kinds import good

from penstroke.cli.app import run
from penstroke.errors import DataError


def test_three_unreadable_pictures_of_a_thousand_are_named_and_the_others_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(good(size=28))
    pictures = picture_fuzz.write_pictures(tmp_path, count=1000, broken=3)
    code = run(["predict", str(tmp_path / "model.safetensors"), *map(str, pictures), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == DataError.exit_code
    assert [item["file"] for item in found] == [str(path) for path in pictures]
    assert [str(path) in found[i]["error"]["message"] for i, path in enumerate(pictures[:3])] == [True] * 3
    assert all(item["label"] in "0123456789" for item in found[3:])


def test_bombs_and_addresses_are_rejected_and_folders_are_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.safetensors").write_bytes(good(size=28))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(picture_fuzz.bomb(10_000))
    readable = picture_fuzz.write_pictures(tmp_path, count=1, broken=0)[0].rename(tmp_path / "picture.txt")
    pictures = [bomb, tmp_path, "https://example.org/a.png", readable]
    code = run(["predict", str(tmp_path / "model.safetensors"), *map(str, pictures), "--json"])
    large, inside, address, found = json.loads(capsys.readouterr().out)
    assert code == DataError.exit_code
    assert "50 megapixels are allowed" in large["error"]["message"]
    assert inside["file"] == str(bomb), "the picture in the folder"
    assert "is a URL" in address["error"]["message"]
    assert found["label"] is not None
