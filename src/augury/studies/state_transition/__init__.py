"""The study state-transition."""
