"""Hidden states of many traces: what to read, reading it, keeping it."""
