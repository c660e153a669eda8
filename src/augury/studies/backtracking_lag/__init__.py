"""The backtracking-lag study."""
