"""Penstroke: train, test, explain, ship and serve classifiers of small images, handwritten digits first."""

__version__ = "0.1.0"
