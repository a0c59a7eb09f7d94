"""Pictures in files, prepared as those that are predicted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from penstroke.errors import DataError


def prepare_files(
    paths: Sequence[Path], preprocessing: str, image_shape: tuple[int, int, int]
) -> list[UInt8[ndarray, "c h w"] | DataError]:
    """Return the image of each picture, or the reason why it cannot be used.

    Args:
        paths: the picture files.
        preprocessing: see ``penstroke.pictures.preprocess``.
        image_shape: channels, height and width of the images.
    """
    from penstroke.pictures import preprocess  # imported here: most trainings prepare no pictures

    def prepare(path: Path) -> UInt8[ndarray, "c h w"] | DataError:
        try:
            return preprocess(path, preprocessing, image_shape)
        except DataError as error:  # also of an empty picture
            return error

    with ThreadPoolExecutor() as threads:
        return list(threads.map(prepare, paths))
