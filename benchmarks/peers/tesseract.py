"""Read digits with Tesseract (https://github.com/tesseract-ocr/tesseract), if its program is installed."""

import shutil
import subprocess
from io import BytesIO

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

SINGLE, LINE, BLOCK = "10", "7", "6"
"""Page segmentation modes: one character, one line, one block of lines."""


def version() -> str | None:
    """Return the version of Tesseract; None if it is not installed."""
    if shutil.which("tesseract") is None:
        return None
    return subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def read(picture: UInt8[ndarray, "h w *c"], mode: str) -> list[str]:
    """Return the lines of digits that Tesseract reads in a picture, without spaces; only digits are allowed.

    On a few pictures, the program ends with a signal; then it has read nothing.
    """
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    options = ["--psm", mode, "-c", "tessedit_char_whitelist=0123456789"]
    done = subprocess.run(["tesseract", "-", "-", *options], input=file.getvalue(), capture_output=True, check=False)
    if done.returncode > 0:
        raise RuntimeError(done.stderr.decode())
    lines = (line.replace(" ", "") for line in done.stdout.decode().splitlines())
    return [line for line in lines if line]
