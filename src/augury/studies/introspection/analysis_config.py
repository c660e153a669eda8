"""What the analyses of the introspection study can be told."""

from __future__ import annotations

from pydantic import Field, model_validator

from augury.config import Config

__all__ = ["AnalysisConfig", "CausalConfig"]


class CausalConfig(Config):
    """How states are patched and steered at the confidence position."""

    enabled: bool = True
    """Needs the model itself, where everything else needs the collection alone."""

    sites: tuple[str, ...] = ()
    """Where; all collected sites of the residual, where none is given."""

    doses: tuple[float, ...] = (0.1, 0.2, 0.4)
    """Length of what is added, in mean norms of the site's states, towards high confidence and
    away from it."""

    draws: int = Field(default=40, ge=19)
    """Random directions, and as many at right angles that vary as states do. With fewer than 19,
    nothing is rare at 5 %."""

    most: int = Field(default=200, ge=20)
    """Questions that are steered, and pairs that are patched, at most."""

    accuracy_drop: float = Field(default=0.1, ge=0, le=1)
    """What an edit may cost: fall of the share of right answers, edited where these are given."""

    mass_drop: float = Field(default=0.1, ge=0, le=1)
    """Fall of the share of questions at which the confidence options hold half of the
    probability."""

    control_kl: float = Field(default=0.1, ge=0)
    """Mean KL(clean || edited) of the next token at the ends of the questions, in nats."""

    @model_validator(mode="after")
    def _doses_above_zero(self) -> CausalConfig:
        if not self.doses or min(self.doses) <= 0 or len(set(self.doses)) < len(self.doses):
            raise ValueError("doses must be distinct and above 0")
        return self


class AnalysisConfig(Config):
    """How collected states and answers are analysed."""

    strengths: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0)
    """Ridge strengths on standardised states; validation chooses."""

    share: float = Field(default=0.25, gt=0, le=0.5)
    """Share of the training questions at each end that makes a high/low direction."""

    shuffles: int = Field(default=20, ge=1)
    """Probes per target that learn shuffled values, fitted and chosen as the real ones."""

    random_directions: int = Field(default=200, ge=19)
    """Random directions that a transferred one has to beat."""

    draws: int = Field(default=1000, ge=100)
    """Bootstrap draws of the questions."""

    permutations: int = Field(default=1000, ge=200)
    """Of the values, for p values."""

    seed: int = Field(default=0, ge=0)
    """Of all draws."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Family-wise error rate of each analysis."""

    causal: CausalConfig = CausalConfig()
