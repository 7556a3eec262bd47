"""One campaign: its pool, its classifier, its strategy, and the event log that ties them."""
