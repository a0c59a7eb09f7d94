"""The program that opens a foreign state dict: the file on stdin, safetensors on stdout, a reason as exit code.

Such files are of Python's pickle format. ``weights_only=True`` lets them name tensors and nothing else; should it have
a hole, this process is the second wall: it may take only so much memory and time, and from the moment at which it
looks at the file, Python may no longer open, import, execute or connect to anything. It knows nothing of networks.
"""

import pickle  # for the name of its error; nothing is unpickled with it
import signal
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO

import torch
from safetensors.torch import save
from torch import Tensor

MEMORY = 512 << 20
"""Bytes that may be taken beyond what Python and PyTorch take themselves."""
SECONDS = 1.0
"""Of a processor's time, once PyTorch is imported."""
MAX_WEIGHTS = 1 << 26
"""Float32 weights that are handed back, at most: 256 MiB."""

NOT_PYTORCH, NOT_ONLY_TENSORS, NO_STATE_DICT, NO_FLOATS, TOO_MANY, NOT_FINITE, NO_MEMORY, FORBIDDEN = range(64, 72)
REASONS = {
    NOT_PYTORCH: "it is no file of PyTorch's, or a damaged one",
    NOT_ONLY_TENSORS: "it holds more than tensors (a whole model or code), which is never run",
    NO_STATE_DICT: "it is no plain state dict of names and tensors",
    NO_FLOATS: "its tensors are not all of a floating-point type",
    TOO_MANY: f"it holds more than {MAX_WEIGHTS} weights",
    NOT_FINITE: "its weights are not all finite numbers",
    NO_MEMORY: f"opening it takes more than {MEMORY >> 20} MiB of memory",
    FORBIDDEN: "opening it asks for more than a file of tensors needs",
}
"""What each exit code says of the file."""

_HARMLESS = {"object.__setattr__", "object.__getattr__"}
"""Events of Python's audit (https://docs.python.org/3/library/audit_events.html) that reach nothing outside."""


class Refused(Exception):
    """The file is not what it should be; ``code`` is one of REASONS."""

    def __init__(self, code: int) -> None:
        super().__init__(REASONS[code])
        self.code = code


def read_state(file: BinaryIO) -> dict[str, Tensor]:
    """Return the tensors of a state-dict file by name, float32, finite, each with memory of its own.

    Raises:
        Refused: it is anything else.
    """
    try:
        return _checked(_load(file))
    except (MemoryError, RuntimeError) as fault:
        if isinstance(fault, MemoryError) or "can't allocate memory" in str(fault):
            raise Refused(NO_MEMORY) from fault
        raise Refused(NOT_PYTORCH) from fault


def _load(file: BinaryIO) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except (MemoryError, Refused):
        raise
    except Exception as fault:  # a damaged file makes PyTorch raise nearly anything
        if "can't allocate memory" in str(fault):
            raise MemoryError from fault
        named = isinstance(fault, pickle.UnpicklingError) and "global " in str(fault).lower()
        raise Refused(NOT_ONLY_TENSORS if named or "TorchScript" in str(fault) else NOT_PYTORCH) from fault


def _checked(state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise Refused(NO_STATE_DICT)
    if any(not value.is_floating_point() or value.layout != torch.strided for value in state.values()):
        raise Refused(NO_FLOATS)
    # A tensor of a billion weights may be one number, seen a billion times.
    if sum(value.numel() for value in state.values()) > MAX_WEIGHTS:
        raise Refused(TOO_MANY)
    floats = {name: value.detach().float().contiguous().clone() for name, value in state.items()}
    if not all(value.isfinite().all() for value in floats.values()):
        raise Refused(NOT_FINITE)
    return floats


def lock() -> None:
    """Give up, for the rest of this process, what opening a file of tensors does not need."""
    torch.set_num_threads(1)
    for old in (False, True):  # what PyTorch imports late is imported now
        sample = BytesIO()
        torch.save({"sample": torch.zeros(1)}, sample, _use_new_zipfile_serialization=not old)
        sample.seek(0)
        save(read_state(sample))
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits, and macOS not all of them
        import resource

        with open("/proc/self/statm", encoding="ascii") as figures:
            taken = int(figures.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MAX_WEIGHTS, 8 * MAX_WEIGHTS))
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # at its end, the system ends this process
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: Any) -> None:
    if event not in _HARMLESS:
        raise Refused(FORBIDDEN)


def main() -> int:
    """Answer for the file on stdin, and return the exit code."""
    lock()
    try:
        content = save(read_state(sys.stdin.buffer))
    except Refused as fault:
        return fault.code
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
