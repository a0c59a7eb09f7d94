"""Processes that prepare pictures, so that many are done side by side, and one while torch is imported."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstroke.errors import DataError

if TYPE_CHECKING:
    from numpy import ndarray


@contextmanager
def prepared(
    pictures: Sequence[Path], rule: str, image_shape: tuple[int, int, int], max_pixels: int
) -> Iterator[list[Callable[[], "ndarray | DataError"]]]:
    """Begin to prepare pictures, and yield for each a function that waits for its image, or for its fault.

    Files of more than ``max_pixels`` are refused.
    Images are uint8 of ``image_shape``, prepared by the model's ``rule``.
    """
    work = partial(_prepare, rule=rule, image_shape=image_shape, max_pixels=max_pixels)
    with ProcessPoolExecutor(min(len(pictures), os.cpu_count() or 1)) as pool:
        try:
            yield [pool.submit(work, picture).result for picture in pictures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare(picture: Path, rule: str, image_shape: tuple[int, int, int], max_pixels: int) -> "ndarray | DataError":
    from penstroke.pictures.inputs import network_input

    try:
        return network_input(picture, rule, image_shape, max_pixels)
    except DataError as fault:
        return fault
