"""Traces: texts, their spans, and their tokens."""
