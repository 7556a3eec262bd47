"""Query strategies: pure functions from a view of the pool to the rows worth labeling next."""
