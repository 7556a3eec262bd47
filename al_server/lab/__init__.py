"""The strategy lab: whether active learning would have saved labels here, and by which strategy."""

from al_server.lab.comparison import Comparison, compare
from al_server.lab.plan import Plan

__all__ = ["Comparison", "Plan", "compare"]
