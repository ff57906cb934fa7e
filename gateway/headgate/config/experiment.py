"""Kind `Experiment`: two or more arms on one route, with a sticky assignment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from headgate.config.base import Strict
from headgate.config.catalog import ApiVersion, Metadata, ModelStatus, Name
from headgate.config.policy import Select


class Arm(Strict):
    """What its share of the conversations gets first; the route's own tiers come after it."""

    select: Select
    """The deployments of the arm."""
    percent: Annotated[float, Field(ge=0, le=100)] | None = None
    """Its share. The one arm without a share takes the rest."""


class GivenUnit(Strict):
    """Whose arm is asked for."""

    conversation: Annotated[str, Field(min_length=1)]


class ExpectArm(Strict):
    """The arm it must have."""

    arm: Name


class ExperimentTest(Strict):
    """One case: a conversation and its arm."""

    given: GivenUnit
    expect: ExpectArm


class ExperimentSpec(Strict):
    """What an experiment holds."""

    route: Name
    """The route it is on. The route's `must` holds for every arm."""
    unit: Literal["conversation"] = "conversation"
    """What keeps its arm: one conversation always sees the same one."""
    salt: Annotated[str, Field(min_length=1, max_length=200)]
    """Mixed into the assignment, so that experiments do not pick the same conversations."""
    arms: Annotated[dict[Name, Arm], Field(min_length=2)]
    """The arms by name."""
    allow_status: tuple[ModelStatus, ...] = ()
    """Model statuses besides `approved` that may serve in an arm."""
    tests: tuple[ExperimentTest, ...] = ()
    """Cases that must hold."""

    @model_validator(mode="after")
    def _shares(self) -> ExperimentSpec:
        shares = [arm.percent for arm in self.arms.values() if arm.percent is not None]
        if len(shares) != len(self.arms) - 1:
            raise ValueError("give every arm but one its `percent`; that one takes the rest")
        if sum(shares) > 100:
            raise ValueError("the arms have more than 100 percent together")
        return self


class Experiment(Strict):
    """A canary or an A/B test on live traffic."""

    api_version: ApiVersion = Field(alias="apiVersion")
    kind: Literal["Experiment"]
    metadata: Metadata
    spec: ExperimentSpec
