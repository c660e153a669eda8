"""The model: where its parts are, how it is loaded, read, sampled from and checked."""
