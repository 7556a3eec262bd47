"""The shelf: every strategy by name, with what one should know before taking it."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A strategy on the shelf.

    Attributes
    ----------
    target : "module:attribute", imported only when asked for
    looks_at : which arrays of the pool decide
    cost : time and memory of a batch; n candidates, b picks, C classes, d dimensions, L labels
    source : who described it
    cold_start : what it does before the first label
    batches : the sizes it is meant for, and how a batch differs from as many single picks
    """

    target: str
    looks_at: str
    cost: str
    source: str
    cold_start: str
    batches: str


_MASS: Final = Entry(
    target="strategies.mass:Mass",
    looks_at="uncertainty mass, cover distance, labels per class",
    cost="as in_class; the mass O(links) a label, kept by the campaign",
    source="this project",
    cold_start="the densest sample, then dense ones far apart",
    batches="any; the mass as at its start",
)

SHELF: Final[Mapping[str, Entry]] = {
    "default": _MASS,
    "mass": _MASS,
    "in_class": Entry(
        target="strategies.in_class:InClass",
        looks_at="uncertainty, density in the predicted class, cover distance, labels per class",
        cost="O(n) a pick to 256; then O(n log n) a round, distances where they matter; O(n + b d)",
        source="this project; after Settles and Craven 2008",
        cold_start="the densest sample, then dense ones far apart",
        batches="any; to 256 as single picks, beyond in rounds",
    ),
    "cdf_product": Entry(
        target="strategies.cdf_product:CdfProduct",
        looks_at="uncertainty, density, cover distance",
        cost="as in_class",
        source="Settles and Craven 2008, with ranks and a third factor",
        cold_start="the densest sample, then dense ones far apart",
        batches="any; to 256 as single picks, beyond in rounds",
    ),
    "uniform": Entry(
        target="strategies.uniform:Uniform",
        looks_at="nothing",
        cost="O(n log n); O(n)",
        source="the baseline",
        cold_start="the same",
        batches="any",
    ),
    "stratified_clusters": Entry(
        target="strategies.stratified:StratifiedClusters",
        looks_at="embeddings, what is covered in each cluster",
        cost="O(n k d) a pass of k-means; O(n d)",
        source="Neyman 1934",
        cold_start="the same",
        batches="any",
    ),
    "stratified_predictions": Entry(
        target="strategies.stratified:StratifiedPredictions",
        looks_at="predicted class, what is covered in each",
        cost="O(n log n); O(n)",
        source="Neyman 1934",
        cold_start="as uniform",
        batches="any",
    ),
    "least_confidence": Entry(
        target="strategies.uncertainty:LeastConfidence",
        looks_at="probabilities",
        cost="O(n C); O(n)",
        source="Lewis and Gale 1994",
        cold_start="all equal: the lowest tie_keys",
        batches="small; the top of a ranking, near duplicates included",
    ),
    "margin": Entry(
        target="strategies.uncertainty:Margin",
        looks_at="probabilities",
        cost="O(n), the margin is kept up to date; O(n)",
        source="Scheffer, Decomain and Wrobel 2001",
        cold_start="all equal: the lowest tie_keys",
        batches="small; the top of a ranking, near duplicates included",
    ),
    "entropy": Entry(
        target="strategies.uncertainty:Entropy",
        looks_at="probabilities",
        cost="O(n C); O(n C)",
        source="Settles 2009",
        cold_start="all equal: the lowest tie_keys",
        batches="small; the top of a ranking, near duplicates included",
    ),
    "ratio": Entry(
        target="strategies.uncertainty:Ratio",
        looks_at="probabilities",
        cost="O(n C); O(n)",
        source="Settles 2009",
        cold_start="all equal: the lowest tie_keys",
        batches="small; the top of a ranking, near duplicates included",
    ),
    "density": Entry(
        target="strategies.density:Density",
        looks_at="density",
        cost="O(n); O(n)",
        source="Settles and Craven 2008",
        cold_start="the same",
        batches="a part of products; alone it repeats the crowd",
    ),
    "k_center": Entry(
        target="strategies.k_center:KCenter",
        looks_at="embeddings, cover distance",
        cost="at most O(n b d), in practice a tenth; O(n + b d)",
        source="Sener and Savarese 2018, arXiv:1708.00489",
        cold_start="the lowest tie_key, then the farthest",
        batches="any; as single picks, up to rounding",
    ),
    "k_center_robust": Entry(
        target="strategies.k_center:KCenterRobust",
        looks_at="embeddings, cover distance, density",
        cost="as k_center",
        source="Sener and Savarese 2018, section 4; outliers by density",
        cold_start="as k_center",
        batches="any; as single picks, up to rounding",
    ),
    "typiclust": Entry(
        target="strategies.typiclust:TypiClust",
        looks_at="embeddings, what is covered",
        cost="O(n k d) a pass of k-means, neighbors inside clusters; O(n d)",
        source="Hacohen, Dekel and Weinshall 2022, arXiv:2202.02794",
        cold_start="made for it",
        batches="small: up to 500 clusters, then in turns",
    ),
    "probcover": Entry(
        target="strategies.probcover:ProbCover",
        looks_at="embeddings, what is covered",
        cost="O(n^2 d) once a batch; O(n d) and up to 0.8 GB",
        source="Yehuda, Dekel, Hacohen and Weinshall 2022, arXiv:2205.11320",
        cold_start="made for it",
        batches="any; farthest first when all is covered",
    ),
    "badge": Entry(
        target="strategies.badge:Badge",
        looks_at="probabilities, embeddings",
        cost="at most O(n b (C + d)); O(n (C + d))",
        source="Ash et al. 2020, arXiv:1906.03671",
        cold_start="k-means++ on the embeddings",
        batches="any; drawn as one set",
    ),
    "cluster_margin": Entry(
        target="strategies.cluster_margin:ClusterMargin",
        looks_at="uncertainty, embeddings",
        cost="O(n C) and clusters of the 10 b most uncertain; O(n), at most 200 MB more",
        source="Citovsky et al. 2021, arXiv:2107.14263",
        cold_start="spreads over the lowest tie_keys",
        batches="large",
    ),
    "batch_bald": Entry(
        target="strategies.batch_bald:BatchBald",
        looks_at="embeddings, labels (a bootstrap committee)",
        cost="O(n L d), then by configurations a pick; O(n k)",
        source="Kirsch, van Amersfoort and Gal 2019, arXiv:1906.08158",
        cold_start="as uniform",
        batches="up to 10; beyond, drawn as by power",
    ),
    "power": Entry(
        target="strategies.power:Power",
        looks_at="what its base looks at",
        cost="as its base; O(n)",
        source="Kirsch et al. 2023, arXiv:2106.12059",
        cold_start="as uniform where the base knows nothing",
        batches="large; drawn, so near duplicates thin out",
    ),
    "contrastive": Entry(
        target="strategies.contrastive:Contrastive",
        looks_at="probabilities, embeddings, labeled samples",
        cost="O(n L d); O(n)",
        source="Margatina et al. 2021, arXiv:2109.03764",
        cold_start="all equal: the lowest tie_keys",
        batches="small; the top of a ranking",
    ),
    "discriminative": Entry(
        target="strategies.discriminative:Discriminative",
        looks_at="embeddings, what is covered",
        cost="O(n d) times hidden units a part, some 10 parts; O(n d)",
        source="Gissin and Shalev-Shwartz 2019, arXiv:1907.06347",
        cold_start="the first part as uniform",
        batches="any, in 10 parts",
    ),
    "coral": Entry(
        target="strategies.coral:Coral",
        looks_at="embeddings, cover distance, uncertainty",
        cost="as k_center",
        source="ours, after Sener and Savarese 2018 and Dyer and Frieze 1985",
        cold_start="as k_center",
        batches="any; uncertainty as at its start",
    ),
    "dropquery": Entry(
        target="strategies.dropquery:DropQuery",
        looks_at="embeddings, labels",
        cost="O(masks n L d) and k-means; O(n d)",
        source="Gupte et al. 2024, arXiv:2401.14555",
        cold_start="k-means on all candidates",
        batches="any",
    ),
    "vaal": Entry(
        target="strategies.vaal:Vaal",
        looks_at="embeddings or images, what is covered",
        cost="trains two networks: seconds to minutes; O(n d)",
        source="Sinha, Ebrahimi and Darrell 2019, arXiv:1904.00370",
        cold_start="as uniform",
        batches="large; trained anew for each",
    ),
    "product": Entry(
        target="strategies.compose.product:Product",
        looks_at="what its parts look at; by default uncertainty, density, cover distance",
        cost="O(n log n) a part; with k_center distances where they matter",
        source="ranks as in cdf_product, with strengths",
        cold_start="parts that know nothing count nothing",
        batches="any; with k_center to 16 ranked anew for each pick, beyond in rounds",
    ),
    "threshold": Entry(
        target="strategies.compose.threshold:Threshold",
        looks_at="what `by` and `then` look at",
        cost="as `by` and `then`, a copy of what is kept",
        source="pre-filtering, as in Citovsky et al. 2021",
        cold_start="keeps the lowest tie_keys where `by` knows nothing",
        batches="any; as `then`",
    ),
    "balance": Entry(
        target="strategies.compose.balance:Balance",
        looks_at="predicted class, labels per class, what its strategy looks at",
        cost="as its strategy, once a class",
        source="quotas, after Neyman 1934",
        cold_start="as its strategy",
        batches="any; the strategy picks its share of each class in one batch",
    ),
    "similar": Entry(
        target="strategies.compose.similar:Similar",
        looks_at="embeddings of the given samples, what its strategy looks at",
        cost="O(n m d) for m given samples; as product",
        source="relevance feedback; Rocchio 1971",
        cold_start="works where samples or vectors are given",
        batches="any; as product",
    ),
    "then": Entry(
        target="strategies.compose.then:Then",
        looks_at="number of labels, what `first` or `then` looks at",
        cost="as the one whose turn it is",
        source="this project; TypiClust, then margin",
        cold_start="as `first`",
        batches="any; a batch belongs to one of the two",
    ),
}
