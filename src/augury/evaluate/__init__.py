"""Judging: metrics, intervals, permutation nulls, and the contract that no number escapes."""
