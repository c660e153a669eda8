"""The next-token study."""
