"""Resampled solutions: every sentence of a solution written anew, many times, by any model."""
