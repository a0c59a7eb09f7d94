"""The network of a committee: the mean of probabilities, and what it is read from."""

import json

import pytest
import torch

from penstroke.errors import UsageError
from penstroke.networks import ConvNet, PatchNet, network_from_json
from penstroke.networks.committee import MAX_MEMBERS, MEAN, STD, Committee

SMALL = PatchNet(channels=(2,), kernel_sizes=(7,), strides=(3,), hidden=4)


def test_the_answer_is_the_mean_of_the_probabilities() -> None:
    network = Committee(members=(SMALL, ConvNet(channels=(2, 3), hidden=4))).build(mean=MEAN, std=STD).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    images = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        first, second = (member(images).exp() for member in network.get_submodule("members").children())
        found = network(images).exp()
    assert not torch.allclose(first, second)
    torch.testing.assert_close(found, (first + second) / 2)
    torch.testing.assert_close(found.sum(1), torch.ones(5))


def test_members_that_are_certain_of_different_classes_give_finite_log_probabilities() -> None:
    network = Committee(members=(SMALL, SMALL)).build(mean=MEAN, std=STD).eval()
    for number, member in enumerate(network.get_submodule("members").children()):
        with torch.no_grad():
            member.get_parameter("fc2.bias")[number] = 1000.0
        found = network(torch.zeros(1, 1, 28, 28))
    assert found.isfinite().all()
    torch.testing.assert_close(found.exp()[0, :2], torch.tensor([0.5, 0.5]))


def test_the_first_layer_leaves_pixels_unchanged() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    network = Committee(members=(SMALL, SMALL)).build((1, 16, 16), mean=MEAN, std=STD)
    assert torch.equal(network.get_submodule("normalise")(pixels), pixels.float())


def test_the_spec_round_trips_through_json() -> None:
    spec = Committee(members=(SMALL, ConvNet()))
    assert network_from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    "members",
    [
        None,
        [],
        [SMALL.to_json()],
        [SMALL.to_json()] * (MAX_MEMBERS + 1),
        [SMALL.to_json(), {"kind": "committee", "members": [SMALL.to_json()] * 2}],
    ],
)
def test_a_committee_has_several_members_that_are_no_committees(members: object) -> None:
    with pytest.raises(UsageError, match=r"members is .* but must be 2 to 64 networks, none of them a committee"):
        network_from_json({"kind": "committee", "members": members})


def test_an_unknown_member_is_named() -> None:
    with pytest.raises(UsageError, match="'resnte' is unknown"):
        network_from_json({"kind": "committee", "members": [SMALL.to_json(), {"kind": "resnte"}]})
