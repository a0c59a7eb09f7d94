"""Random state as a function of seed, epoch and step."""

from hashlib import blake2b


def derived_seed(seed: int, *key: int) -> int:
    """Return a 64-bit seed that is a function of ``seed`` and ``key`` alone.

    The result is a hash, because PyTorch's CPU generator uses only the low 32 bits of its seed.

    Args:
        seed: the seed of the recipe.
        key: integers that identify the use, such as epoch and step.
    """
    numbers = tuple(map(int, (seed, *key)))  # the repr of a NumPy integer differs from that of an int
    return int.from_bytes(blake2b(repr(numbers).encode(), digest_size=8).digest(), "little")


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Set the random state of one training step to a function of (seed, epoch, step).

    A resumed training run therefore draws the same random numbers as an uninterrupted one.
    """
    import torch

    value = derived_seed(seed, epoch, step)
    # torch.manual_seed takes 70 us because it also seeds devices that are not in use; this call takes 1 us.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(value)
    if torch.xpu.is_initialized():
        torch.xpu.manual_seed(value)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(value)
