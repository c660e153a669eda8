"""A store that is killed, starved and damaged on purpose."""
