"""``penstroke import``: a run from a third-party state dict."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

Penstroke = Callable[..., Any]


def textbook_weights() -> dict[str, torch.Tensor]:
    """Return random weights with the names and shapes of the textbook's network."""
    layers = nn.ModuleDict(
        {
            "cn1": nn.Conv2d(1, 16, 3),
            "cn2": nn.Conv2d(16, 32, 3),
            "fc1": nn.Linear(4608, 64),
            "fc2": nn.Linear(64, 10),
        }
    )
    return layers.state_dict()


def test_the_run_can_be_tested(penstroke: Penstroke, tmp_path: Path) -> None:
    torch.save(textbook_weights(), tmp_path / "mine.pth")
    done = penstroke("import", tmp_path / "mine.pth", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert done.json.keys() == {"run", "kind", "network"}
    assert done.json["network"]["hidden"] == 64
    found = penstroke("test", tmp_path / "run", "--data", "mnist5k", "--json")
    assert found.code == 0
    assert found.json["total"] == 1000
    assert "may have been trained on them" in found.err


def test_the_text_names_the_run_and_that_it_is_not_measured(
    penstroke: Penstroke, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(textbook_weights(), "..mine\n.pth")
    done = penstroke("import", "..mine\n.pth")
    assert done.code == 0, done.err
    assert "run: runs/mine (not measured on test images yet: penstroke test runs/mine)" in done.out


def test_weights_of_another_network_are_rejected(penstroke: Penstroke, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    done = penstroke("import", tmp_path / "other.pt", "--out", tmp_path / "run")
    assert done.code == 4
    assert not (tmp_path / "run").exists()
