"""Draw the picture of docs/general.md: ``python -m benchmarks.general_pictures``.

Drawn shapes, resized as for training, and three versions of each that the network sees during training.
"""

import tempfile
from pathlib import Path

import torch
from matplotlib.figure import Figure

from benchmarks.shapes import draw_shapes
from penstroke import Dataset, recipes
from penstroke.synthesis import batch_augmentation
from penstroke.training.adapt import adapt

TARGET = Path(__file__).parent.parent / "docs" / "images" / "general-augmentation.png"
EACH = 3
"""Pictures of each class."""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        draw_shapes(Path(home, "shapes"), 60, seed=0)
        train = Dataset.from_folder(Path(home, "shapes")).train
    recipe, _ = adapt(recipes.general(), train)
    chosen = [number for label in range(3) for number in (train.labels == label).nonzero()[0][:EACH]]
    images, labels = (torch.from_numpy(array[chosen]) for array in (train.images, train.labels))
    augment = batch_augmentation(recipe.augmentation, train, seed=0)
    torch.manual_seed(0)
    rows = [images, *(augment(images, labels)[0] for _ in range(3))]
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots(len(rows), len(chosen))
    for row, line in zip(rows, axes, strict=True):
        for image, axis in zip(row, line, strict=True):
            axis.imshow(image.permute(1, 2, 0).round().clamp(0, 255).byte().numpy())
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    axes[0][0].set_ylabel("resized", fontsize=9)
    for number in range(1, len(rows)):
        axes[number][0].set_ylabel(f"epoch {number}", fontsize=9)
    for number, label in enumerate(labels.tolist()):
        axes[0][number].set_title(train.classes[label], fontsize=9)
    figure.savefig(TARGET, dpi=120)
    print(TARGET)


if __name__ == "__main__":
    main()
