"""How sure a model may be: its temperature, when it gives no answer, and how far its probabilities are off.

This module knows no network: it is handed answers to images that the network was not trained on.
"""

import math

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from penstroke.models.description import Calibration

HOTTEST = 20.0
"""Largest temperature that is looked at; the smallest is its inverse."""


def calibrate(answers: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"], refuse: float) -> Calibration:
    """Return what answers to held-back images say of how sure the model may be.

    The temperature is the one at which the right classes are likeliest (C. Guo and others, "On calibration of modern
    neural networks", 2017, https://arxiv.org/abs/1706.04599).

    Args:
        answers: log-probabilities as the network gives them.
        labels: the right classes.
        refuse: share of such images, 0..1, that may go without an answer: those that the model is least sure of.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and used once in a training

    exact = answers.double().cpu()
    truth = labels.cpu()

    def loss(log_temperature: float) -> float:
        return float(F.nll_loss(F.log_softmax(exact / math.exp(log_temperature), 1), truth))

    limit = math.log(HOTTEST)
    temperature = math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x)
    sure, answer = F.log_softmax(exact / temperature, 1).max(1)
    probability = sure.exp()
    threshold = float(probability.quantile(refuse)) if refuse else 0.0
    answered = probability >= threshold
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        images=len(truth),
        refused=int((~answered).sum()),
        wrong=int((answered & (answer != truth)).sum()),
    )


def calibration_error(probabilities: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"], bins: int = 15) -> float:
    """Return the expected calibration error, 0..1: how far sureness is from being right, in bins of equal mass."""
    sure, answer = probabilities.double().max(1)
    right = (answer == labels).double()
    order = sure.argsort()
    parts = zip(sure[order].tensor_split(bins), right[order].tensor_split(bins), strict=True)
    return sum(abs(float(said.sum() - true.sum())) for said, true in parts) / len(labels)
