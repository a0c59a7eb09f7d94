"""Plots and terminal output of training runs and predictions. This package does not depend on PyTorch."""
