"""Speed against peers, by hand: ``python -m tests.benchmarks.NAME``; the last line is JSON."""
