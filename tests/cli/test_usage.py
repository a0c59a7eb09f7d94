"""Help, invalid commands and the registry of commands."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.small import files_below

from penstroke import recipes
from penstroke.cli.app import app
from penstroke.cli.commands import COMMANDS

COMMAND_NAMES = [command.name for command in COMMANDS]
Penstroke = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Usage: penstroke COMMAND"),
        (["data"], 2, "Usage: penstroke data COMMAND"),
        (["tset"], 2, "Did you mean 'test'"),
        (["fast"], 2, "fast is a recipe: penstroke train fast"),
        (["data", "fast"], 2, "`penstroke data` has no command 'fast'.\n  Did you mean 'list'? Known: "),
        (
            ["train", "--data", "mnist5k", "--mean", "0.1", "0.2", "0.3"],
            2,
            "mean has 3 values; the images have 1 channel.\n  Give one value for all channels",
        ),
        (
            ["data", "fly"],
            2,
            "`penstroke data` has no command 'fly'.\n  Known: audit, fetch, import, info, list, shard.",
        ),
        (["--bogus"], 2, "The option --bogus does not exist"),
        (["train", "bok"], 2, "Did you mean 'book'"),
        (["train", "--epoch", "3"], 2, "The option --epoch does not exist.\n  Did you mean --epochs?"),
        (["train", "--ephocs", "1"], 2, "The option --ephocs does not exist.\n  Did you mean --epochs?"),
        (["train", "--ephocs=1"], 2, "The option --ephocs does not exist.\n  Did you mean --epochs?"),
        (["train", "--no-lr"], 2, "The option --no-lr does not exist"),
        (["train", "--optimizer", "adm"], 2, "--optimizer is 'adm', which is unknown.\n  Did you mean 'adam'"),
        (["train", "--lr", "-1", "--epochs", "0"], 2, "epochs is 0"),
        (["train", "--lr", "-1", "--epochs", "0"], 2, "lr is -1"),
        (["train", "--lr", "abc"], 2, "--lr is 'abc': it must be a number"),
        (["train", "--lr"], 2, "--lr needs a value"),
        (["train", "--lr", "1", "--lr", "2"], 2, "--lr is given more than once"),
        (["train", "--epochs", "1.5"], 2, "--epochs is '1.5': it must be a whole number"),
        (["train", "--channels", "4", "x"], 2, "--channels is 'x': it must be a whole number"),
        (["train", "--channels"], 2, "--channels needs a value"),
        (["train", "--momentum", "0.9"], 2, "momentum does not apply"),
        (["train", "--test-each-epoch=maybe"], 2, "must be true or false"),
        (["train", "--threads", "0"], 2, "--threads is 0: it must be from 1 to 1024"),
        (["train", "--device", "gpu"], 2, "Did you mean 'cuda'"),
        (["train", "--data", "mnsit"], 2, "Did you mean 'mnist'"),
        (["train", "--data", "./nowhere"], 3, "nowhere"),
        (["train", "--data", "mnist5k", "--kernel-sizes", "40", "3"], 2, "40x40 kernel"),
        (["train", "--config", "nowhere.toml"], 2, "nowhere.toml"),
        (["train", "--checkpoint-every", "often"], 2, "'often'"),
        (["train", "--checkpoint-every", "-3"], 2, "'-3'"),
        (["test", "one", "two"], 2, "`penstroke test` does not take 'two'"),
        (["test", "nowhere"], 4, "nowhere"),
        (["test", "--bogus"], 2, "The option --bogus does not exist"),
        (["predict"], 2, "PICTURE is missing"),
        (["read"], 2, "PICTURE is missing"),
        (["predict", "runs/misspelt", "7.png"], 4, "The run folder runs/misspelt does not exist"),
        (["predict", "x.png", "--megapixels", "0"], 2, "--megapixels is 0: it must be from 1 to 178"),
        (["show", "--out", "x.jpg"], 2, ".png"),
        (["show", "--count", "0"], 2, "--count is 0: it must be from 1 to 400"),
        (["show", "--index", "-1"], 2, "--index is -1: it must be at least 0"),
        (["import", "nowhere.pt"], 4, "nowhere.pt"),
        (["import"], 2, "FILE is missing"),
        (["data", "fetch"], 2, "NAME is missing"),
        (["data", "fetch", "mnst"], 2, "Did you mean 'mnist'"),
    ],
)
def test_an_invalid_command_prints_one_error(
    words: list[str], code: int, message: str, penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = penstroke(*words)
    assert done.code == code, done
    assert message in done.err + done.out
    assert "Traceback" not in done.err
    if words not in ([], ["data"]):
        assert not done.out
        error = penstroke(*words, "--json").json["error"]
        assert error.keys() == {"kind", "message", "remedy"}
        assert error["message"]
    assert not files_below(tmp_path), "a command that fails leaves nothing"


@pytest.mark.parametrize("command", COMMAND_NAMES)
def test_each_command_has_help(command: str, penstroke: Penstroke) -> None:
    for words in ([command, "--help"], [command, "-h"], ["help", command], [command, "--bogus", "--help"]):
        done = penstroke(*words)
        assert done.code == 0
        assert done.out.startswith(f"Usage: penstroke {command} ")
        assert not done.err
        assert "None" not in done.out
        assert "PENSTROKE_DATA" not in done.out, "the environment is described once, in the main help"


def test_the_main_help_lists_the_commands_without_importing_them(penstroke: Penstroke) -> None:
    text = penstroke("--help").out
    words = [line.split() for line in text.partition("Commands:")[2].partition("Options:")[0].splitlines()]
    assert [row[0] for row in words if row and row[0] in COMMAND_NAMES] == COMMAND_NAMES
    for command in COMMANDS:
        assert command.summary[:40] in text
    code = """
import sys
from penstroke.cli.app import run
from penstroke.cli.commands import COMMANDS
run(["--help"])
assert not {f"penstroke.cli.{command.target.partition(':')[0]}" for command in COMMANDS} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert penstroke("--version").out.startswith("penstroke ")


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, penstroke: Penstroke) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in ([], *([command.name] for command in COMMANDS), ["data", "info"]):
        for line in penstroke(*words, "--help").out.splitlines():
            assert len(line) <= max(columns, 82), line


def test_each_field_of_a_recipe_is_an_option_with_its_defaults(
    penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = penstroke("train", "--help").out
    for option in recipes.options():
        name = option.name.replace("_", "-")
        assert f"--{name} " in text or f"--[no-]{name} " in text
    assert "[default: 0.5 (fast and sprint: 0.15, robust, best and distilled: 0.02, general: 0.12)]" in text
    assert "[default: 32 (fast, sprint, robust and distilled: 256, general: 128, best: 250)]" in text
    assert "[default: yes (fast, sprint, robust, general, best and distilled: no)]" in text


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["data", "list", "--help"], ["tset"], ["train", "--ephocs", "3"]]
)
def test_help_and_invalid_commands_import_neither_torch_nor_numpy(words: list[str]) -> None:
    code = f"""
import atexit, sys
from penstroke.cli import main
heavy = ("torch", "numpy", "scipy", "PIL", "requests", "matplotlib", "rich.console")
atexit.register(lambda: print("heavy:", [name for name in heavy if name in sys.modules]))
main({words!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "heavy: []" in done.stdout


@pytest.mark.parametrize(
    ("shell", "file", "entry"),
    [
        ("bash", ".local/share/bash-completion/completions/penstroke", "complete "),
        ("zsh", ".zsh/completions/_cyclopts_penstroke", "#compdef penstroke"),
        ("fish", ".config/fish/completions/penstroke.fish", "complete -c penstroke"),
    ],
)
def test_completion_is_installed(shell: str, file: str, entry: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "penstroke", "--install-completion", shell]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / file) in done.stdout
    script = (tmp_path / file).read_text()
    assert entry in script
    for word in ("train", "predict", "--optimizer", "adadelta", "import"):
        assert word.removeprefix("--") in script if shell == "fish" else word in script


def test_an_unknown_shell_is_an_error(penstroke: Penstroke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = penstroke("--install-completion", "csh")
    assert done.code == 2
    assert "SHELL is 'csh'" in done.err
    assert not list(tmp_path.iterdir())


def test_an_unexpected_exception_is_reported_as_a_bug(penstroke: Penstroke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: object, **options: object) -> None:
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr(type(app), "parse_args", broken)
    done = penstroke("test")
    assert done.code == 1
    assert "Traceback" in done.err
    assert "bug in Penstroke" in done.err
    found = penstroke("test", "--json")
    assert found.code == 1
    assert json.loads(found.out)["error"]["kind"] == "bug"


def test_control_characters_of_a_name_are_escaped(penstroke: Penstroke) -> None:
    done = penstroke("test", "\x1b[31mred")
    assert done.code == 4
    assert "\x1b" not in done.err
    assert "\\x1b[31mred" in done.err
