"""The pictures that folders and patterns on the command line stand for."""

import os
from pathlib import Path

import pytest

from penstroke.cli.picture_paths import find_pictures, is_pattern
from penstroke.cli.shared import split_run
from penstroke.errors import DataError, UsageError


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with ``scans``, which has pictures, hidden files, other files and subfolders."""
    monkeypatch.chdir(tmp_path)
    names = ("10.png", "2.PNG", "a/1.jpg", "a/b/3.webp", "notes.txt", ".hidden.png", ".git/4.png", "__MACOSX/5.png")
    for name in names:
        path = Path("scans", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("scans")


def test_a_folder_stands_for_its_pictures_in_natural_order(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = find_pictures([scans])
    assert [path.as_posix() for path in found] == ["scans/2.PNG", "scans/10.png", "scans/a/1.jpg", "scans/a/b/3.webp"]
    assert capsys.readouterr().err == "note: the folder scans has 4 pictures; skipped 1 other file (.txt)\n"


def test_a_pattern_stands_for_the_pictures_that_match_it(scans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scans / "2.png").touch()
    assert find_pictures([Path("scans/*.png")]) == [scans / "2.png", scans / "10.png"]
    assert find_pictures([Path("scans/**/*.jpg"), Path("other.jpg")]) == [scans / "a/1.jpg", Path("other.jpg")]
    assert len(find_pictures([Path("**")])) == 6  # `**` also matches __MACOSX, but no hidden files and no folders
    assert "skipped 1 other file (.txt)" in capsys.readouterr().err


def test_a_file_may_have_the_name_of_a_pattern(scans: Path) -> None:
    literal = scans / "[1].png"
    literal.touch()
    (scans / "1.png").touch()
    assert find_pictures([literal]) == [literal]
    literal.unlink()
    assert find_pictures([literal]) == [scans / "1.png"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("empty", "The folder empty has no pictures."),
        ("texts", "The folder texts has no pictures, only 2 other files (.txt, without an extension)."),
        ("scans/*.gif", "The pattern scans/*.gif has no pictures."),
        ("scans/*.txt", "The pattern scans/*.txt has no pictures, only 1 other file (.txt)."),
    ],
)
def test_a_folder_or_pattern_without_pictures_is_an_error(scans: Path, argument: str, message: str) -> None:
    for folder in ("empty", "texts"):
        Path(folder).mkdir()
    for name in ("a.txt", "README"):
        Path("texts", name).touch()
    with pytest.raises(DataError) as caught:
        find_pictures([Path("1.png"), Path(argument)])
    assert caught.value.message == message
    assert ".png" in caught.value.remedy


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not apply")
def test_a_folder_that_cannot_be_read_is_named(scans: Path) -> None:
    (scans / "a").chmod(0)
    with pytest.raises(DataError, match="scans/a cannot be read: Permission denied"):
        find_pictures([scans])
    (scans / "a").chmod(0o700)


def test_urls_are_not_patterns_and_patterns_are_not_runs(scans: Path) -> None:
    assert not is_pattern(Path("https://example.org/a.png?size=3"))
    assert split_run(Path("scans/*"), (), "predict") == (None, (Path("scans/*"),))
    picture = Path("a.png")
    for committee in (Path("runs/a+runs/b"), Path("a.onnx+runs/v1"), Path("ready+m.safetensors")):
        assert split_run(committee, (picture,), "predict") == (committee, (picture,))
    assert split_run(Path("1+1.png"), (), "predict") == (None, (Path("1+1.png"),))
    with pytest.raises(UsageError, match="PICTURE is missing: scan is read as the run"):
        split_run(Path("scan"), (), "predict")
