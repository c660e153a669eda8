"""What a collection offers to the analyses."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import polars as pl

__all__ = ["Collected"]


class Collected(Protocol):
    """Items and states of every model and pass, row by row the same questions."""

    @property
    def models(self) -> tuple[str, ...]:
        """`base`, and `adapter` where the run names one."""

    @property
    def passes(self) -> tuple[str, ...]:
        """`mcq`, `self`, `other`: those that were collected."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Shallow first."""

    @property
    def positions(self) -> tuple[str, ...]:
        """Names of the tokens that were read, in the order of the text."""

    @property
    def midpoints(self) -> tuple[float, ...]:
        """Confidence in per cent that each option of a confidence pass stands for, lowest first."""

    def items(self, model: str, pass_: str) -> pl.DataFrame:
        """One row per question."""

    def states(self, model: str, pass_: str, site: str, position: str) -> np.ndarray:
        """float32 [question, hidden]."""

    def prompt_ids(self, model: str, pass_: str) -> list[list[int]]:
        """Tokens of each question's prompt."""

    def position_index(self, pass_: str, position: str) -> np.ndarray:
        """Index of the named token in each prompt, from 0; int [question]."""

    def option_ids(self, pass_: str) -> list[list[list[int]]]:
        """Of each question and option, the token ids of its symbol."""
