"""Layers that the networks share, and the network itself. Importing this subpackage imports torch."""

from penstroke.networks.layers.blocks import FlatLinear, MeanOverPixels, PooledConv2d
from penstroke.networks.layers.network import Network, Normalise, Temperature, wrap_module

__all__ = ["FlatLinear", "MeanOverPixels", "Network", "Normalise", "PooledConv2d", "Temperature", "wrap_module"]
