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
    """Return a picture of 24 to 72 pixels a side with one polygon, filled or not."""
    width, height = random.randint(24, 73, 2)
    colours = [tuple(int(value) for value in random.randint(0, 256, 3)) for _ in range(2)]
    while abs(sum(colours[0]) - sum(colours[1])) < 150:
        colours[1] = tuple(int(value) for value in random.randint(0, 256, 3))
    picture = Image.new("RGB", (SCALE * int(width), SCALE * int(height)), colours[0])
    radius = random.uniform(0.25, 0.45) * min(width, height)
    x, y = (random.uniform(radius, side - radius) for side in (width, height))
    turn = random.uniform(0, 2 * math.pi)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    points = [(SCALE * (x + radius * math.cos(angle)), SCALE * (y + radius * math.sin(angle))) for angle in angles]
    draw = ImageDraw.Draw(picture)
    if random.rand() < 0.5:
        draw.polygon(points, fill=colours[1])
    else:
        draw.line([*points, points[0], points[1]], fill=colours[1], width=SCALE * random.randint(2, 5), joint="curve")
    picture = picture.resize((int(width), int(height)), Image.Resampling.LANCZOS)
    noise = random.normal(0, random.uniform(0, 10), (int(height), int(width), 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
