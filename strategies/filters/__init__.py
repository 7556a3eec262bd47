"""Which samples of a data set are worth keeping: pure functions over points."""
