from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from threading import Barrier

import pytest
import torch
from torch import Tensor, nn

from penstroke.training.shared_batch_norm import SharedBatchNorm

IMAGES, CHANNELS = 21, 8
TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def adders(count: int) -> list[Callable[[Tensor], Tensor]]:
    """Return for each of ``count`` threads a function that returns the sums of the values of all threads."""
    barrier, values = Barrier(count), [torch.empty(0)] * count

    def adder(rank: int) -> Callable[[Tensor], Tensor]:
        def add(own: Tensor) -> Tensor:
            values[rank] = own
            barrier.wait(60)
            total = torch.stack(values).sum(0)
            barrier.wait(60)
            return total

        return add

    return [adder(rank) for rank in range(count)]


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("size", [(), (5, 4)])
@pytest.mark.parametrize("cut", [10, IMAGES], ids=["two parts", "second part empty"])
def test_parts_of_a_batch_give_the_results_of_the_whole_batch(
    cut: int, size: tuple[int, ...], dtype: torch.dtype, affine: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (IMAGES, CHANNELS, *size)
    images = (2 * torch.randn(shape, generator=generator) + 5).to(dtype).double()
    factors = torch.randn(shape, generator=generator).to(dtype).double()
    layer = (nn.BatchNorm2d if size else nn.BatchNorm1d)(CHANNELS, affine=affine).double()
    if layer.affine:
        nn.init.uniform_(layer.weight, 0.5, 2)
        nn.init.normal_(layer.bias)
    parts = [slice(0, cut), slice(cut, IMAGES)]
    statistics = torch.promote_types(dtype, torch.float32)
    shared = [SharedBatchNorm(deepcopy(layer).to(statistics), add) for add in adders(2)]

    def part(rank: int) -> tuple[Tensor, Tensor]:
        own = images[parts[rank]].to(dtype).requires_grad_()
        result = shared[rank](own)
        assert result.dtype == dtype
        (result * factors[parts[rank]].to(dtype)).double().sum().backward()
        assert own.grad is not None
        return result.detach(), own.grad

    with ThreadPoolExecutor(2) as pool:
        results, gradients = (torch.cat(each).double() for each in zip(*pool.map(part, range(2)), strict=True))
    whole = images.clone().requires_grad_()
    expected = layer(whole)
    (expected * factors).sum().backward()
    pairs = [(results, expected.detach()), (gradients, whole.grad)]
    for name, weight in layer.named_parameters():
        pairs.append((sum(each.get_parameter(name).grad for each in shared), weight.grad))  # type: ignore[misc,arg-type]
    for name in ("running_mean", "running_var"):
        pairs += [(each.get_buffer(name), layer.get_buffer(name)) for each in shared]
    for found, truth in pairs:
        assert truth is not None
        assert (found - truth).norm() <= TOLERANCES[dtype] * truth.norm()
