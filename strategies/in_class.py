"""The default: the CDF product, with density ranked inside the predicted class."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from strategies import inputs, product
from strategies.cdf_product import CdfProduct
from strategies.pool import PoolView


@dataclass(frozen=True)
class InClass(CdfProduct):
    """Score = R(uncertainty) R_c(density) R(cover distance) / sqrt(1 + labels of class c).

    c is the predicted class; R is the tie-averaged rank among the candidates divided by their
    number, R_c the same among the candidates predicted as c. Ranking density inside the class and
    asking less for classes that have many labels keeps rare classes from starving, which the plain
    product does not. Before the first label there is one class and one uncertainty for all.
    Batches, time and memory are as in `CdfProduct`.

    Source: this project, after `CdfProduct`.

    Attributes
    ----------
    uncertainty : which uncertainty of `strategies.scores`
    aggregate : how the uncertainties of several classes become one in a multi-label campaign
    """

    _name: ClassVar[str] = "in_class"

    def _factors(self, pool: PoolView) -> product.Factors:
        return replace(
            super()._factors(pool),
            groups=inputs.predicted(pool),
            divisors=np.sqrt(1.0 + inputs.labels_per_class(pool)),
        )
