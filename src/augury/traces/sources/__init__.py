"""Sources: one reader for each format that traces come in."""
