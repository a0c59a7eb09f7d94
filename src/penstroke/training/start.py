"""The start of a training run: the validation split, the description of the model, and the initial state."""

import torch
from torch import nn

from penstroke.data import Dataset, Split, pixel_statistics, stratified_split
from penstroke.errors import UsageError
from penstroke.models.description import Description
from penstroke.networks import NetworkSpec
from penstroke.networks.layers import wrap_module
from penstroke.networks.spec import UnregisteredNetwork
from penstroke.recipes import Recipe
from penstroke.recipes.parts import Optimizer, Validation
from penstroke.runtime import derived_seed, training_dtype
from penstroke.schema import shown
from penstroke.synthesis import batch_augmentation
from penstroke.training.batches import Batches
from penstroke.training.freezing import Freezing
from penstroke.training.history import State
from penstroke.training.init import Channels, Init, statistics
from penstroke.training.losses import Loss, build_loss, class_weights
from penstroke.training.optimizers import build_optimizers, last_layer
from penstroke.training.tensors import TensorSplit
from penstroke.training.world import World


def build_start(
    recipe: Recipe,
    data: Dataset,
    train: Split,
    device: torch.device,
    *,
    module: nn.Module | None = None,
    init: Init | None = None,
    loss: Loss | None = None,
    world: World = World(),  # noqa: B008 - frozen
) -> tuple[State, Batches, Loss]:
    """Return the state before the first step, the batches of all epochs, and the loss function.

    Args:
        recipe: the recipe, adapted to the images.
        data: the dataset, for its card and its outliers.
        train: the images to train on.
        device: device of the network and the images.
        module: trained instead of the network of the recipe, with the weights that it has.
        init: what is taken from another model.
        loss: used instead of the loss of the recipe.
        world: rank of this process and number of processes.

    Raises:
        UsageError: a part of the recipe does not apply to the images or to ``loss``, or ``world`` is not connected.
    """
    weights = class_weights(recipe.class_weights, train, device)
    outliers, taught = recipe.augmentation.outliers, bool(recipe.teacher)
    loss_of = build_loss(recipe.label_smoothing, outliers, weights, loss, taught=taught)
    spec = recipe.network if module is None else UnregisteredNetwork()
    description = describe(spec, train, data.card.preprocessing, *statistics(recipe, init))
    pictures = data.outliers.parts()[0] if data.outliers else None
    augment = batch_augmentation(recipe.augmentation, train, recipe.seed, device, pictures)
    images = TensorSplit.from_split(train, device)
    batches = Batches(images, recipe.batch_size, recipe.seed, augment, world, recipe.epoch_share)
    state = initial_state(spec, description, recipe.optimizer, recipe.seed, batches.steps, device, module, init)
    state.network.precision = training_dtype(recipe.precision, device)
    world.prepare(state.network, recipe.accumulate, state.optimizers)
    return state, batches, loss_of


def split_validation(data: Dataset, validation: Validation | None) -> tuple[Split, Split | None]:
    """Return the images to train on and, if the recipe has one, the validation split.

    The dataset's own validation split is used if it has one; then all images of the train split are trained on.
    Corrections are joined to the images to train on; none of them is in the validation split.

    Raises:
        DataError: one of the two would be empty, or the dataset's validation split cannot be read.
    """
    train, held_out = data.train, None
    if validation is not None and data.validation is not None:
        held_out = data.validation
    elif validation is not None:
        train, held_out = stratified_split(train, validation.share, validation.seed)
    return (data.corrections.joined(train) if data.corrections else train), held_out


def check_statistics(mean: Channels, std: Channels, channels: int) -> None:
    """Check that ``mean`` and ``std`` have one value, or one for each channel of the images.

    Raises:
        UsageError: one of them has another number of values.
    """
    for name, given in (("mean", mean), ("std", std)):
        if isinstance(given, tuple) and len(given) not in (1, channels):
            raise UsageError(
                f"{name} has {len(given)} values; the images have {channels} channel{'' if channels == 1 else 's'}.",
                f"Give one value for all channels{'' if channels == 1 else ', or one for each'}, or omit {name} to "
                "measure it on the training images.",
            )


def describe(network: NetworkSpec, train: Split, preprocessing: str, mean: Channels, std: Channels) -> Description:
    """Return the description of the model to train.

    Args:
        network: the network.
        train: the training images; their pixel statistics replace a ``mean`` or ``std`` that is None.
        preprocessing: how pictures are prepared for the model.
        mean: pixel mean in 0..1.
        std: pixel standard deviation in 0..1.

    Raises:
        UsageError: ``mean`` or ``std`` does not match the channels of the images.
    """
    _, channels, height, width = train.images.shape
    check_statistics(mean, std, channels)
    measured = pixel_statistics(train) if mean is None or std is None else None
    values = []
    for number, given in enumerate((mean, std)):
        if given is None:
            assert measured, "one of the two is None"
            values.append(measured[number])
        else:
            values.append(given if isinstance(given, tuple) else (given,) * channels)
    return Description(
        network=network,
        image_shape=(channels, height, width),
        classes=train.classes,
        mean=values[0],
        std=values[1],
        preprocessing=preprocessing,  # type: ignore[arg-type]  # the description checks it
    )


def require_module(module: object) -> nn.Module:
    """Return a module with parameters unchanged.

    Raises:
        UsageError: ``module`` is not a module, or has no parameters that are trained.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"network is {shown(module)} ({type(module).__name__}); it must be a torch.nn.Module.",
            "Pass a module; a registered network is named in the recipe, as in recipes.fast(network=ConvNet()).",
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise UsageError(
            f"The network {type(module).__name__} has no parameters to train.",
            "Pass a module with parameters that require gradients.",
        )
    return module


def _check_output(module: nn.Module, description: Description, device: torch.device) -> None:
    """Check what the caller's module returns for two images of zeros, in eval mode, without changing the module.

    Raises:
        UsageError: it is not a float tensor with a value for each class.
    """
    shape, classes = description.image_shape, len(description.classes)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = module(torch.zeros(2, *shape, device=device))
    except RuntimeError as error:  # such as matrices that cannot be multiplied
        raise UsageError(
            f"The network fails for images of shape {list(shape)}: {error}.", "Change the sizes of its layers."
        ) from error
    finally:
        module.train(was_training)
    if not (torch.is_tensor(output) and output.is_floating_point() and tuple(output.shape) == (2, classes)):
        kind = f"{output.dtype} of shape {list(output.shape)}" if torch.is_tensor(output) else type(output).__name__
        raise UsageError(
            f"The network returns {kind} for 2 images of shape {list(shape)}; it must return floats of shape "
            f"[2, {classes}]: a logit or log-probability for each of the {classes} classes.",
            "Change its last layer.",
        )


def initial_state(
    spec: NetworkSpec,
    description: Description,
    optimizer: Optimizer,
    seed: int,
    steps: int,
    device: torch.device,
    module: nn.Module | None = None,
    init: Init | None = None,
) -> State:
    """Return the state before the first step. PyTorch's random state is set to a function of the seed.

    Args:
        spec: the network.
        description: the images and classes that it is built for.
        optimizer: the kind of optimizer and its options.
        seed: seed of the initial weights.
        steps: number of steps per epoch.
        device: device of the network.
        module: trained instead of a new network, with the weights that it has.
        init: what is taken from another model.

    Raises:
        UsageError: the network does not accept images of this shape, or ``module`` does not return logits.
    """
    torch.manual_seed(derived_seed(seed))
    if module is not None:
        network = wrap_module(require_module(module), description.mean, description.std)
    else:
        network = spec.build(description.image_shape, len(description.classes), description.mean, description.std)
    network.to(device)
    if module is not None:
        _check_output(module, description, device)
    if init:
        init.load_into(network)
    frozen = init.loaded if init and init.freeze else ()
    layers = {name: layer for name, layer in network.named_modules() if name in frozen}
    parameters = {name: weight for name, weight in network.named_parameters() if name.rpartition(".")[0] in frozen}
    head = spec.head or (last_layer(network),)
    others = [name for name, _ in network.named_parameters() if name not in parameters]
    optimizers = build_optimizers(optimizer, network, head, others)
    freezing = Freezing()
    if init and frozen:
        trained = tuple(weight for weight in parameters.values() if weight.requires_grad)
        freezing = Freezing(init.freeze, tuple(layers.values()), trained, len(optimizers))
        optimizers += build_optimizers(optimizer, network, head, parameters)
    # One tensor for all steps: small tensors that outlive each step would fragment the heap, which then grows.
    losses = torch.zeros(steps, device=device)
    return State(network, description, optimizers, losses=losses, freezing=freezing)
