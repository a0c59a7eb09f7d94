"""What the data of an experiment are loaded from. Importing this module imports neither torch nor NumPy."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstroke.data import Dataset


@dataclass(frozen=True)
class Source:
    """All arguments with which each process of an experiment loads the same images.

    Args:
        data: see ``load``.
        images: number of training images, the same share of each class; None for all.
        size: see ``load``.
        skip_broken: see ``load``.
    """

    data: str = "auto"
    images: int | None = None
    size: tuple[int, int] | None = None
    skip_broken: bool = False

    def load(self, progress: Any = None) -> "Dataset":
        """Return the dataset; see ``data.load`` and ``shorter_dataset`` for the errors."""
        from penstroke.data import load
        from penstroke.experiments.subset import shorter_dataset

        data = load(self.data, progress=progress, size=self.size, skip_broken=self.skip_broken)
        return shorter_dataset(data, self.images)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"size": list(self.size) if self.size else None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Source":
        """Return the source that ``to_json`` described."""
        return cls(**value | {"size": tuple(value["size"]) if value["size"] else None})
