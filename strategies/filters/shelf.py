"""The shelf: every filter by name, with what one should know before taking it."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A filter on the shelf.

    Attributes
    ----------
    target : "module:attribute", imported only when asked for
    idea : what goes
    cost : time and memory of `build`; n samples, d dimensions, k neighbors, b kept; the neighbors
        themselves are found before
    source : who described it
    good_for : when to take it
    """

    target: str
    idea: str
    cost: str
    source: str
    good_for: str


SHELF: Final[Mapping[str, Entry]] = {
    "adjacency": Entry(
        target="strategies.filters.adjacency:Adjacency",
        idea="of the two nearest samples, the one whose next neighbor is nearer; again and again",
        cost="O(n k log n); O(n k)",
        source="Lightly's guide to dataset filtering",
        good_for="keeping more than half",
    ),
    "coreset": Entry(
        target="strategies.filters.coreset:Coreset",
        idea="all but samples that lie far from each other, by greedy k-center",
        cost="O(n b d) at most, in practice a fraction; O(n d)",
        source="Gonzalez 1985; Sener and Savarese 2018, arXiv:1708.00489",
        good_for="keeping little; rare samples stay, and so do outliers",
    ),
    "outliers": Entry(
        target="strategies.filters.outliers:Outliers",
        idea="what is linked last in the minimum spanning tree of HDBSCAN",
        cost="O(n k); O(n k)",
        source="Campello, Moulavi, Zimek and Sander 2015, doi:10.1145/2733381",
        good_for="broken and foreign samples, some percent; look at them before they go",
    ),
    "similars": Entry(
        target="strategies.filters.similars:Similars",
        idea="all but the center of each cluster of average linkage",
        cost="O(n k d) where clusters are of similar size, up to O(n^2 d); O(n (k + d))",
        source="agglomerative clustering; Sokal and Michener 1958",
        good_for="near duplicates, 5 to 20%",
    ),
    "uniqueness": Entry(
        target="strategies.filters.uniqueness:Uniqueness",
        idea="what is nearest to its three neighbors, both of two duplicates",
        cost="O(n log n); O(n)",
        source="FiftyOne, compute_uniqueness",
        good_for="a quick look, and comparisons with FiftyOne",
    ),
    "vaal": Entry(
        target="strategies.filters.vaal:Vaal",
        idea="what a trained discriminator takes for part of the kept set",
        cost="trains two networks, four times: seconds to minutes; O(n d)",
        source="Sinha, Ebrahimi and Darrell 2019, arXiv:1904.00370",
        good_for="comparisons with a learned filter",
    ),
    "semantic_dedup": Entry(
        target="strategies.filters.semantic_dedup:SemanticDedup",
        idea="what has a cosine above 1 - eps to one farther from the mean of their cluster",
        cost="O(n d) times clusters and samples of one; O(n d)",
        source="Abbas et al. 2023, SemDeDup, arXiv:2303.09540",
        good_for="a threshold instead of a number; sets of millions",
    ),
    "exact_duplicates": Entry(
        target="strategies.filters.exact_duplicates:ExactDuplicates",
        idea="files with the same bytes as another",
        cost="O(n log n); O(n)",
        source="equal SHA-256 digests",
        good_for="always, first",
    ),
    "divide_and_conquer": Entry(
        target="strategies.filters.divide_and_conquer:DivideAndConquer",
        idea="its share of each cluster (k-means, spectral, HDBSCAN), by another filter",
        cost="of the clusters, then as its filter; O(n (k + d))",
        source="Lightly's guide to dataset filtering; Ng, Jordan and Weiss 2002",
        good_for="sets with parts of different density",
    ),
    "per_class": Entry(
        target="strategies.filters.per_class:PerClass",
        idea="its share of each class, known or predicted, by another filter",
        cost="as its filter; O(n k)",
        source="this project",
        good_for="removing a lot without losing classes",
    ),
}
