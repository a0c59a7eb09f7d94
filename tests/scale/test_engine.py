"""The connection to Ray, and what passes through it."""

import os
import signal

import pytest
import ray.exceptions

from penstroke import errors
from penstroke.errors import PenstrokeError, ProcessError
from penstroke.scale.engine import _explained, _packed, _unpacked, started
from penstroke.scale.parts import Part

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray uses its own deprecated names


@pytest.mark.parametrize(
    "part", [Part(3, ("1.png", os.fsdecode(b"\xff.png"), "a b/ü.png")), Part(0, ("images.npy",), 0, 5)]
)
def test_parts_pass_as_bytes(part: Part) -> None:
    assert _unpacked(_packed(part)) == part


@pytest.mark.parametrize(
    "error",
    [
        errors.DataError("It is bad.", "Repair it."),
        errors.ModelError("It is bad.", "Repair it."),
        errors.StorageError("It is bad.", "Repair it."),
        errors.ProcessError("It is bad.", "Repair it."),
        errors.MissingExtraError("train"),
    ],
)
def test_errors_pass_as_text(error: PenstrokeError) -> None:
    found = PenstrokeError.from_json(error.to_json())
    assert type(found) is type(error)
    assert (str(found), found.exit_code) == (str(error), error.exit_code)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"])
def test_a_cluster_that_cannot_be_reached_is_named(address: str) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ProcessError, match=f"The Ray cluster {address} cannot be reached: "), started(address, None):
        pass
    assert signal.getsignal(signal.SIGTERM) is handler


def test_errors_within_ray_are_named_and_others_are_bugs() -> None:
    with pytest.raises(ProcessError, match="a process of Ray did: Error parsing message"), _explained():
        ray.exceptions.RayError.from_bytes(b"nonsense")
    with pytest.raises(KeyError), _explained():
        raise KeyError("a bug")
