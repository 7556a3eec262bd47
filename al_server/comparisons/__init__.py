"""Comparisons of strategies on what a campaign has labeled so far, in the background."""
