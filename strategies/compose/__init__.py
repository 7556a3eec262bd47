"""Strategies made of strategies."""

from strategies.compose.balance import Balance
from strategies.compose.product import Product
from strategies.compose.similar import Similar
from strategies.compose.then import Then
from strategies.compose.threshold import Threshold

__all__ = ["Balance", "Product", "Similar", "Then", "Threshold"]
