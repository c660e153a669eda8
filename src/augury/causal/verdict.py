"""The four conclusions about a direction, and the rule that chooses one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["VERDICTS", "Arm", "ArmState", "CausalVerdict", "Conclusion", "conclude"]

CausalVerdict = Literal[
    "readable and causal", "readable, not shown causal", "breaks the model", "inconclusive"
]
VERDICTS: tuple[CausalVerdict, ...] = get_args(CausalVerdict)

ArmState = Literal["moves", "does not move", "breaks", "unclear"]
"""`moves`: the expected way, beyond zero and beyond both kinds of draws, through all gates;
`breaks`: no edit of this arm passes the gates; `unclear`: too little data to tell."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of intervening on a direction: adding it, or erasing it."""

    name: str
    state: ArmState
    why: str
    """The evidence, in a phrase."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The verdict and what it rests on."""

    verdict: CausalVerdict
    why: str


def conclude(*, readable: bool, arms: tuple[Arm, ...]) -> Conclusion:
    """The verdict on a direction.

    Causal needs every arm to move behaviour: what adding a direction does may be new to the model,
    what erasing it undoes was in use. An arm that breaks the model decides before one that does not
    move, since nothing can be learned from a broken model.

    Args:
        readable: Whether a probe along the direction was `predictive` on held-out groups.
        arms: Adding and erasing.
    """
    told = "; ".join(f"{arm.name}: {arm.why}" for arm in arms)
    if not readable:
        return Conclusion("inconclusive", f"not shown to be readable; {told}")
    states = {arm.state for arm in arms}
    if "breaks" in states:
        return Conclusion("breaks the model", told)
    if "unclear" in states:
        return Conclusion("inconclusive", told)
    if states == {"moves"}:
        return Conclusion("readable and causal", told)
    return Conclusion("readable, not shown causal", told)
