"""Random pen strokes of digits, with several shapes per digit.

A shape lists control points in a square of side 1 (``y`` points down). A smooth curve passes through them; a point that
is repeated is a sharp corner.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

Path2d = Float[ndarray, "n 2"]
Corners = list[tuple[float, float]]

_RING: Corners = [
    (0.55, 0.02), (0.2, 0.15), (0.08, 0.5), (0.22, 0.88), (0.5, 1), (0.8, 0.85), (0.92, 0.5), (0.78, 0.12),
]  # fmt: skip

SHAPES: dict[int, dict[str, list[Corners]]] = {
    0: {
        "closed": [[*_RING, (0.52, 0.02), (0.42, 0.06)]],
        "open at the top": [[(0.42, 0.05), *_RING[1:], (0.6, 0.04)]],
        "narrow": [[(0.5 + 0.6 * (x - 0.5), y) for x, y in [*_RING, (0.5, 0.02)]]],
    },
    1: {
        "plain": [[(0.5, 0), (0.5, 0.5), (0.5, 1)]],
        "slanted": [[(0.62, 0), (0.5, 0.5), (0.38, 1)]],
        "with flag": [[(0.3, 0.22), (0.55, 0), (0.55, 0), (0.55, 0.5), (0.55, 1)]],
        "with flag and foot": [[(0.32, 0.2), (0.52, 0), (0.52, 0), (0.52, 1)], [(0.3, 1), (0.75, 1)]],
    },
    2: {
        "plain": [[(0.1, 0.25), (0.3, 0.03), (0.7, 0.03), (0.85, 0.28), (0.55, 0.62), (0.1, 1), (0.1, 1), (0.9, 1)]],
        "with loop": [
            [(0.12, 0.22), (0.4, 0), (0.78, 0.15), (0.7, 0.5), (0.3, 0.9), (0.12, 0.95), (0.2, 0.8), (0.5, 0.93),
             (0.95, 0.95)]
        ],
        "flat": [[(0.15, 0.1), (0.5, 0.02), (0.85, 0.2), (0.7, 0.5), (0.15, 0.97), (0.15, 0.97), (0.9, 0.93)]],
    },
    3: {
        "round": [
            [(0.15, 0.12), (0.5, 0), (0.82, 0.2), (0.62, 0.44), (0.42, 0.48), (0.42, 0.48), (0.7, 0.53), (0.88, 0.76),
             (0.55, 1), (0.12, 0.88)]
        ],
        "flat top": [
            [(0.15, 0.03), (0.85, 0.03), (0.85, 0.03), (0.45, 0.42), (0.45, 0.42), (0.8, 0.52), (0.85, 0.8), (0.5, 1),
             (0.12, 0.88)]
        ],
    },
    4: {
        "open": [[(0.25, 0.02), (0.12, 0.58), (0.12, 0.58), (0.92, 0.58)], [(0.7, 0.1), (0.68, 1)]],
        "closed": [[(0.65, 1), (0.65, 0), (0.65, 0), (0.08, 0.66), (0.08, 0.66), (0.95, 0.66)]],
        "curved": [[(0.2, 0.02), (0.12, 0.4), (0.35, 0.55), (0.78, 0.45)], [(0.82, 0.02), (0.75, 0.5), (0.7, 1)]],
    },
    5: {
        "two strokes": [
            [(0.25, 0.02), (0.2, 0.45), (0.2, 0.45), (0.55, 0.38), (0.85, 0.62), (0.65, 0.95), (0.15, 0.93)],
            [(0.25, 0.03), (0.85, 0.02)],
        ],
        "one stroke": [
            [(0.85, 0.03), (0.28, 0.03), (0.28, 0.03), (0.22, 0.44), (0.22, 0.44), (0.6, 0.38), (0.85, 0.65),
             (0.6, 0.98), (0.12, 0.9)]
        ],
        "hat apart": [
            [(0.25, 0.1), (0.2, 0.48), (0.2, 0.48), (0.6, 0.42), (0.82, 0.68), (0.55, 1), (0.12, 0.92)],
            [(0.33, 0.02), (0.88, 0)],
        ],
    },
    6: {
        "round": [
            [(0.75, 0.02), (0.35, 0.25), (0.15, 0.65), (0.35, 0.98), (0.75, 0.92), (0.82, 0.65), (0.5, 0.52),
             (0.2, 0.72)]
        ],
        "straight": [
            [(0.6, 0), (0.25, 0.5), (0.15, 0.78), (0.42, 1), (0.75, 0.85), (0.65, 0.6), (0.35, 0.62), (0.18, 0.8)]
        ],
    },
    7: {
        "plain": [[(0.1, 0.04), (0.88, 0.04), (0.88, 0.04), (0.6, 0.5), (0.4, 1)]],
        "with bar": [[(0.1, 0.05), (0.88, 0.04), (0.88, 0.04), (0.6, 0.5), (0.42, 1)], [(0.3, 0.52), (0.82, 0.5)]],
        "with hook": [[(0.1, 0.2), (0.12, 0.04), (0.12, 0.04), (0.88, 0.05), (0.88, 0.05), (0.55, 0.55), (0.45, 1)]],
    },
    8: {
        "one stroke": [
            [(0.75, 0.12), (0.45, 0), (0.2, 0.2), (0.45, 0.45), (0.78, 0.72), (0.5, 1), (0.2, 0.78), (0.5, 0.48),
             (0.78, 0.22), (0.7, 0.08)]
        ],
        "two rings": [
            [(0.5, 0), (0.24, 0.2), (0.5, 0.45), (0.76, 0.22), (0.5, 0)],
            [(0.5, 0.45), (0.18, 0.73), (0.5, 1), (0.82, 0.73), (0.5, 0.45)],
        ],
    },
    9: {
        "straight": [
            [(0.8, 0.15), (0.45, 0.02), (0.18, 0.28), (0.42, 0.5), (0.75, 0.35), (0.8, 0.12), (0.8, 0.12), (0.75, 0.55),
             (0.72, 1)]
        ],
        "curved": [
            [(0.78, 0.2), (0.5, 0), (0.2, 0.22), (0.4, 0.48), (0.75, 0.3), (0.8, 0.2), (0.82, 0.6), (0.65, 0.95),
             (0.25, 0.95)]
        ],
    },
}  # fmt: skip


def drawn_digit(rng: Generator, digit: int) -> list[Path2d]:
    """Return the strokes of a digit in one of its shapes, with random slant, stretch, rotation and noise.

    Returns:
        The strokes, each as points float ``[n, 2]`` (x, y), approximately in a square of side 1 around the origin.
    """
    shapes = SHAPES[digit]
    name = sorted(shapes)[int(rng.integers(len(shapes)))]
    slant, stretch, angle = rng.normal(0, 0.12), rng.uniform(0.6, 0.95), np.radians(rng.normal(0, 4))
    shear = np.array([[stretch, 0], [-slant, 1]])
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    strokes = []
    for corners in shapes[name]:
        points = np.array(corners) - 0.5
        # Repeated points get the same noise, since they are one corner.
        same = np.r_[False, (points[1:] == points[:-1]).all(1)]
        moved = points + rng.normal(0, 0.022, points.shape)
        moved[same] = moved[np.flatnonzero(same) - 1]
        strokes.append(smooth(moved, int(rng.integers(4, 10))) @ shear @ rotation)
    return strokes


def smooth(points: Path2d, steps: int) -> Path2d:
    """Return a Catmull-Rom curve through the points, with ``steps`` points each; repeated points make a corner."""
    before, after = np.vstack([points[:1], points[:-1]]), np.vstack([points[1:], points[-1:]])
    slope = (after - before) / 2
    same = (np.abs(points[1:] - points[:-1]) < 1e-9).all(1)
    for i in np.flatnonzero(same):
        slope[i] = slope[i + 1] = 0
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    h = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, 3 * t**2 - 2 * t**3, t**3 - t**2
    parts = [
        h[0] * points[i] + h[1] * slope[i] + h[2] * points[i + 1] + h[3] * slope[i + 1]
        for i in range(len(points) - 1)
        if not same[i]
    ]
    return np.vstack([*parts, points[-1:]])
