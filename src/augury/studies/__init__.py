"""Studies: recipes with one question each."""
