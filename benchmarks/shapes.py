"""Draw pictures of shapes: circles, squares and triangles of any colour, size, place and rotation."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDES = {"circle": 64, "square": 4, "triangle": 3}
"""Corners of the polygon of each class."""
SCALE = 4
"""Pictures are drawn larger and reduced, so that edges are smooth."""


def draw_shapes(folder: Path, count: int, seed: int) -> None:
    """Write ``count`` PNG files for each class, in a folder for each class.

    Args:
        folder: the folder; it is created.
        count: number of pictures of each class.
        seed: the same seed draws the same pictures.
    """
    random = np.random.RandomState(seed)
    for name, corners in SIDES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            draw_shape(corners, random).save(folder / name / f"{number:03}.png")


def draw_shape(corners: int, random: np.random.RandomState) -> Image.Image:
    """Return a picture of 32 to 96 pixels a side: a polygon of any colour on a light background, filled or not."""
    width, height = (int(side) for side in random.randint(32, 97, 2))
    background = tuple(int(value) for value in random.randint(200, 256, 3))
    colour = tuple(int(value) for value in random.randint(0, 160, 3))
    picture = Image.new("RGB", (SCALE * width, SCALE * height), background)
    radius = random.uniform(0.25, 0.45) * min(width, height)
    x, y = (random.uniform(radius, side - radius) for side in (width, height))
    turn = random.uniform(0, 2 * math.pi)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    points = [(SCALE * (x + radius * math.cos(angle)), SCALE * (y + radius * math.sin(angle))) for angle in angles]
    draw = ImageDraw.Draw(picture)
    if random.rand() < 0.5:
        draw.polygon(points, fill=colour)
    else:
        draw.line([*points, points[0], points[1]], fill=colour, width=SCALE * int(random.randint(2, 5)), joint="curve")
    return picture.resize((width, height), Image.Resampling.LANCZOS)
