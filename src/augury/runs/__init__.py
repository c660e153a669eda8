"""The workshop: run folders, stages, journals, locks, atomic files and progress."""
