"""What an artifact foretold, for whom, and why."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from events.envelope import Event
from events.registry import event
from events.vocabulary import Code, Count, Currency, Moment, Money, Name, Purpose, Share

Sentence = Annotated[str, Meta(max_length=1000)]


class ScoreReason(Struct, frozen=True, kw_only=True):
    """One feature's part in a score: its value as words, and its push on the log odds."""

    feature: Name
    says: Name
    contribution: float


@event("prediction.churn_scored", by="touchstone score")
class ChurnScored(Event):
    """A customer's probability of no purchase or use within the horizon, as known at `as_of`.

    `rank` is 1 for the likeliest to leave of `of` scored in one run.
    """

    run: Name
    artifact: Name
    as_of: Moment
    horizon_days: Count
    probability: Share
    rank: Count
    of: Count
    reasons: tuple[ScoreReason, ...] = ()


@event("prediction.uplift_scored", by="touchstone uplift --record")
class UpliftScored(Event):
    """What a treatment changes for a customer, by what hold-outs have shown: the share more that stay, or come back.

    `learner` told it; `average` is the same for everyone, where no order of customers was shown.
    """

    run: Name
    treatment: Code
    purpose: Purpose
    as_of: Moment
    effect: float
    learner: Name


@event("prediction.uplift_judged", by="touchstone uplift --record", category="uplift", key="run")
class UpliftJudged(Event):
    """What the draws of a treatment have shown: whether it changes anything, on average or for some more than others.

    `metrics` are figures by name with their 95 % intervals (effect, smallest, qini). `learner` told the effects of the
    run; none where nothing was shown.
    """

    run: Name
    treatment: Code
    purpose: Purpose
    as_of: Moment
    drawn: Count
    held_out: Count
    shown: bool
    learner: Name | None = None
    metrics: dict[str, float]


@event("prediction.model_registered", by="touchstone train", category="artifact", key="artifact")
class ModelRegistered(Event):
    """An artifact passed its checks and may score: its hash, what it foretells, how it did."""

    artifact: Name
    foretells: Name
    sha256: Name
    trained_on: tuple[Moment, ...]
    judged_at: Moment
    metrics: dict[str, float]


@event("prediction.model_promoted", by="touchstone train, or a person", category="model", key="model")
class ModelPromoted(Event):
    """From now on this artifact scores for the model, in place of `before` where there was one, and why."""

    model: Name
    artifact: Name
    why: Name
    before: Name | None = None


@event("prediction.model_rolled_back", by="touchstone models roll-back", category="model", key="model")
class ModelRolledBack(Event):
    """The artifact that scored before scores again; `from_artifact` no longer does, and why."""

    model: Name
    artifact: Name
    from_artifact: Name
    why: Name


@event("prediction.model_evaluated", by="touchstone models check", category="artifact", key="artifact")
class ModelEvaluated(Event):
    """How an artifact did on what came later: scored at `scored_at`, judged when the horizon was over.

    `metrics` are figures by name (auc, ece, base_rate, psi …); `findings` are sentences for people.
    """

    artifact: Name
    scored_at: Moment
    judged_at: Moment
    metrics: dict[str, float]
    findings: tuple[Name, ...] = ()


ValueModel = Literal["bg_nbd", "boosting", "contract"]
"""What foretold a value: purchases by BG/NBD with Gamma-Gamma, or by boosting; or a contract and how long it lasts."""


@event("prediction.value_foretold", by="touchstone value")
class ValueForetold(Event):
    """The money to expect of a customer within the horizon, as known at `as_of`: turnover, with no margin taken off.

    `purchases` to expect are told of those who buy. Of those under a contract: `monthly`, what it brings a month,
    and `staying`, the chance that it still runs at the end; after its end both the amount and the chance are 0.
    """

    run: Name
    model: ValueModel
    as_of: Moment
    horizon_days: Count
    amount: Money
    currency: Currency = ""
    purchases: float | None = None
    monthly: Money | None = None
    staying: Share | None = None


@event("prediction.value_model_chosen", by="touchstone value", category="value", key="run")
class ValueModelChosen(Event):
    """How the values of one run were reckoned, why so, and how well that did on the slice from `judged_from` on.

    `buyers` were foretold by `model` (none where nobody was), `contracts` by their contract. `metrics` are
    figures by name (`bg_nbd.total` is all foretold ÷ all that came), those of what is to be beaten among them.
    """

    run: Name
    as_of: Moment
    horizon_days: Count
    currency: Currency = ""
    model: ValueModel | None = None
    because: Sentence = ""
    buyers: Count = 0
    contracts: Count = 0
    parameters: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    judged_from: Moment | None = None


class Axes(Struct, frozen=True, kw_only=True):
    """A number on each axis of a persona."""

    recency: float
    frequency: float
    spend: float


class FrozenPersona(Struct, frozen=True, kw_only=True):
    """One group: its name, its share when it was fitted, its centre.

    `centre` is in standard deviations of the logarithms; `days` since the last purchase, `purchases` and `spend` are
    the same centre in its own units.
    """

    name: Name
    share: Share
    centre: Axes
    days: float
    purchases: float
    spend: float


@event("prediction.personas_frozen", by="touchstone personas", category="personas", key="model")
class PersonasFrozen(Event):
    """From now on customers are assigned to these groups, highest spend first, until somebody fits them anew.

    `freeze` counts from 1. `usual` and `spread` are the mean and the standard deviation of the logarithms of 1 + each
    value. `because` says why they were fitted anew, `moved` how many customers that put elsewhere.
    """

    model: Name
    freeze: Count
    as_of: Moment
    personas: tuple[FrozenPersona, ...]
    usual: Axes
    spread: Axes
    customers: Count
    seed: Count
    why: Sentence
    currency: Currency = ""
    because: Sentence = ""
    moved: Share | None = None


@event("prediction.persona_assigned", by="touchstone personas")
class PersonaAssigned(Event):
    """A customer belongs to a persona, the nearest of those of a freeze; recorded when they are new or have moved.

    `place` is 1 for the persona with the highest spend of `of`; `before` is the one they were in.
    """

    run: Name
    as_of: Moment
    persona: Name
    place: Count
    of: Count
    freeze: Count
    before: Name | None = None


class RelatedProduct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A product that a customer never had, and those of theirs that speak for it: none where most customers have it.

    `score` compares within one customer only.
    """

    item: Name
    score: float
    because: tuple[Name, ...] = ()


@event("prediction.products_related", by="touchstone related")
class ProductsRelated(Event):
    """What others have who have what this customer has, the nearest first; recorded when the answer has changed."""

    run: Name
    as_of: Moment
    items: tuple[RelatedProduct, ...]
