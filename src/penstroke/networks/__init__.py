"""Networks: typed specs without torch, and the modules that they build.

Each module of this package that defines a class with ``@register`` adds a network. Importing this package imports
neither torch nor NumPy; ``NetworkSpec.build`` and the subpackage ``layers`` need torch.
"""

from importlib import import_module
from pkgutil import iter_modules

from penstroke.networks.spec import NETWORKS, NetworkSpec, network_from_json, register

for _module in sorted(iter_modules(__path__), key=lambda module: module.name):
    if not _module.ispkg:
        import_module(f"{__name__}.{_module.name}")

from penstroke.networks.convnet import ConvNet  # noqa: E402
from penstroke.networks.patchnet import PatchNet  # noqa: E402
from penstroke.networks.resnet import ResNet  # noqa: E402
from penstroke.networks.vggnet import VGGNet  # noqa: E402

__all__ = ["NETWORKS", "ConvNet", "NetworkSpec", "PatchNet", "ResNet", "VGGNet", "network_from_json", "register"]
