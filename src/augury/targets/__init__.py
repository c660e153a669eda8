"""Targets: what a probe is asked at each token, and how traces are split."""
