"""Variational adversarial active learning: ask for what a discriminator takes for unlabeled."""

from strategies.vaal.report import Ending, Fitted, Losses, Progress
from strategies.vaal.strategy import On, Vaal

__all__ = ["Ending", "Fitted", "Losses", "On", "Progress", "Vaal"]
