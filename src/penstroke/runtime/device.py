"""The choice of the device that a network is computed on."""

from typing import TYPE_CHECKING

from penstroke.errors import UsageError, nearest

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def choose_device(name: str = "auto") -> "torch.device":
    """Return the device with the given name.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1`` and so on; ``auto`` selects the first available one of cuda, xpu and mps,
            otherwise cpu.

    Raises:
        UsageError: the name is unknown, or the device is not available. There is no silent fallback.
    """
    import torch

    kind = name.partition(":")[0]
    if kind not in DEVICES:
        intended = "cuda" if kind == "gpu" else kind
        raise UsageError(f"device is {name!r}, which is unknown.", nearest(intended, DEVICES))
    available = _available()
    if name == "auto":
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device is {name!r}; it must be like cpu, cuda or cuda:1.") from error
    count = torch.accelerator.device_count() if kind != "cpu" else 1
    if kind not in available or (device.index or 0) >= count:
        raise UsageError(
            f"device is {name!r}, which this machine does not have.", f"Available: {', '.join(available)}."
        )
    return device


def training_dtype(precision: str, device: "torch.device") -> "torch.dtype":
    """Return the type of convolutions and matrix products for the precision of a recipe.

    Args:
        precision: ``float32``, ``bfloat16``, or ``auto``: ``bfloat16`` where the device has instructions for it.
        device: device of the training.
    """
    import torch

    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            known = device.type == "cpu" and hasattr(torch.cpu, "get_capabilities")  # PyTorch 2.11 may lack it
            capabilities = torch.cpu.get_capabilities() if known else {}
            fast = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _available() -> list[str]:
    """Return the kinds of devices that are available, the preferred one first."""
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "xpu": torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    return [kind for kind, is_available in available.items() if is_available]
