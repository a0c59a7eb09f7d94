"""The program that opens third-party state dicts: a file on stdin, safetensors on stdout, the reason as exit code.

Such files are pickles. ``weights_only=True`` restricts them to tensors. In case it has a vulnerability,
this process has limits on memory and time, and before it reads the file, it prevents Python from opening, importing,
executing or connecting to anything. This module does not depend on the rest of Penstroke.
"""

import pickle  # for the class of its error; nothing is unpickled with this module
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
"""Bytes that opening a file may allocate, beyond what Python and PyTorch use themselves."""
SECONDS = 1.0
"""CPU time that opening a file may take, in seconds, without the import of PyTorch."""
MAX_WEIGHTS = 1 << 26
"""Maximum number of float32 weights that are returned: 256 MiB."""

NOT_PYTORCH, NOT_ONLY_TENSORS, NOT_A_STATE_DICT, NOT_FLOATS, TOO_MANY, NOT_FINITE, NO_MEMORY, FORBIDDEN = range(64, 72)
REASONS = {
    NOT_PYTORCH: "it is not a PyTorch file, or is damaged",
    NOT_ONLY_TENSORS: "it contains more than tensors (a whole model or code), which is never run",
    NOT_A_STATE_DICT: "it is not a plain state dict of names and tensors",
    NOT_FLOATS: "its tensors are not all of a floating-point type",
    TOO_MANY: f"it contains more than {MAX_WEIGHTS} weights",
    NOT_FINITE: "its weights are not all finite numbers",
    NO_MEMORY: f"opening it takes more than {MEMORY >> 20} MiB of memory",
    FORBIDDEN: "opening it needs more permissions than a file of tensors does",
}
"""The meaning of each exit code."""

_ALLOWED = {"object.__setattr__", "object.__getattr__"}
"""Audit events (https://docs.python.org/3/library/audit_events.html) without effect outside the process."""


class Rejected(Exception):
    """The file is not a state dict; ``code`` is a key of REASONS."""

    def __init__(self, code: int) -> None:
        super().__init__(REASONS[code])
        self.code = code


def read_state(file: BinaryIO) -> dict[str, Tensor]:
    """Return the tensors of a state-dict file by name: float32, finite, none of which share memory.

    Raises:
        Rejected: the file is not a state dict of finite floating-point tensors.
    """
    try:
        return _checked(_load(file))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise Rejected(NO_MEMORY) from error
        raise Rejected(NOT_PYTORCH) from error


def _load(file: BinaryIO) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except (MemoryError, Rejected):
        raise
    except Exception as error:  # damaged files make PyTorch raise almost any exception
        if "can't allocate memory" in str(error):
            raise MemoryError from error
        named = isinstance(error, pickle.UnpicklingError) and "global " in str(error).lower()
        raise Rejected(NOT_ONLY_TENSORS if named or "TorchScript" in str(error) else NOT_PYTORCH) from error


def _checked(state: Any) -> dict[str, Tensor]:
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise Rejected(NOT_A_STATE_DICT)
    if any(not value.is_floating_point() or value.layout != torch.strided for value in state.values()):
        raise Rejected(NOT_FLOATS)
    # A tensor of a billion weights can be an expanded view of one number.
    if sum(value.numel() for value in state.values()) > MAX_WEIGHTS:
        raise Rejected(TOO_MANY)
    floats = {name: value.detach().float().contiguous().clone() for name, value in state.items()}
    if not all(value.isfinite().all() for value in floats.values()):
        raise Rejected(NOT_FINITE)
    return floats


def lock() -> None:
    """Limit this process, until it ends, to what opening a file of tensors needs."""
    torch.set_num_threads(1)
    for old in (False, True):  # trigger PyTorch's lazy imports
        sample = BytesIO()
        torch.save({"sample": torch.zeros(1)}, sample, _use_new_zipfile_serialization=not old)
        sample.seek(0)
        save(read_state(sample))
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits, and macOS only some
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MAX_WEIGHTS, 8 * MAX_WEIGHTS))
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its signal ends the process
    sys.addaudithook(_reject)


def _reject(event: str, _arguments: Any) -> None:
    if event not in _ALLOWED:
        raise Rejected(FORBIDDEN)


def main() -> int:
    """Convert the file on stdin, and return the exit code."""
    lock()
    try:
        content = save(read_state(sys.stdin.buffer))
    except Rejected as error:
        return error.code
    sys.stdout.buffer.write(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
