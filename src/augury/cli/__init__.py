"""The command line: one file per verb; each parses, calls one function, prints."""

from augury.cli.app import main

__all__ = ["main"]
