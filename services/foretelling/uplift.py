"""What treatments have brought, judged out of the journal, and on request foretold for everybody as events."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import Struct

from events.prediction import UpliftJudged, UpliftScored
from events.vocabulary import Purpose
from infra.ids import derived_id
from infra.workspace import Workspace
from ml.histories import Histories
from ml.kit import Kit
from ml.uplift.foretelling import Rule, effects, rule
from ml.uplift.judging import Judgement, judge
from ml.uplift.trial import Trial, UpliftRefused
from ml.uplift.trials import trials
from services.foretelling.recording import Asking, asking, people
from services.prediction import Bars, histories, kit_of, silent


class Judged(Struct, frozen=True, kw_only=True):
    """One treatment: what its trial shows, or why it shows nothing (`refused`); `new` effects were recorded.

    `learner` told them; empty where none was to be told.
    """

    purpose: str
    treatment: str
    trial: Trial
    judgement: Judgement | None = None
    refused: UpliftRefused | None = None
    learner: str = ""
    new: int = 0


def uplift(
    workspace: Workspace, issuer: str | None = None, as_of: datetime | None = None, *, seed: int = 0,
    record: bool = False, progress: Bars = silent,
) -> Iterator[Judged]:  # fmt: skip
    """Judge every treatment whose draws are over, one after the other.

    With `record`, what a treatment changes for each customer is recorded where its trial has shown an effect, so that
    lists can go by it; the same question again records nothing. Raises `Refused` (`as_of_ahead`).
    """
    asked = asking(workspace, as_of, "touchstone uplift")
    kit = kit_of(workspace)
    told = histories(workspace, issuer, kit, progress)
    with progress("asking what was known before each draw"):
        found = trials(told, asked.moment, kit.questions)
    for (named, treatment), trial in found.items():
        purpose = msgspec.convert(named, Purpose)
        try:
            with progress(f"judging {treatment}"):
                judgement = judge(trial, seed)
                known = rule(trial, judgement, seed) if record else None
        except UpliftRefused as refused:
            yield Judged(purpose=purpose, treatment=treatment, trial=trial, refused=refused)
            continue
        run = derived_id("uplift", purpose, treatment, asked.moment.isoformat(), issuer or "", str(seed))
        new = 0
        if record:
            _judged(asked, run, purpose, treatment, judgement, known)
        if known:
            with progress(f"foretelling {treatment}"):
                new = _record(asked, told, kit, known, run, purpose, treatment)
        yield Judged(
            purpose=purpose, treatment=treatment, trial=trial, judgement=judgement,
            learner=known.learner if known else "", new=new,
        )  # fmt: skip


def _record(
    asked: Asking, told: Histories, kit: Kit, known: Rule, run: str, purpose: Purpose, treatment: str
) -> int:
    everybody = people(asked.workspace)
    return asked.record(f"uplift:{run}", (
        (customer, UpliftScored(
            run=run, treatment=treatment, purpose=purpose, as_of=asked.moment, effect=effect, learner=known.learner,
        ))
        for key, effect in effects(known, told, asked.moment, kit.questions)
        if (customer := everybody.recorded(key))
    ))  # fmt: skip


def _judged(
    asked: Asking, run: str, purpose: Purpose, treatment: str, found: Judgement, known: Rule | None
) -> None:
    best = found.standing(found.champion)
    asked.record_stream(f"uplift:{run}", "judged", f"uplift-{run}", UpliftJudged(
        run=run, treatment=treatment, purpose=purpose, as_of=asked.moment, drawn=found.treated,
        held_out=found.held_out, shown=found.effect_shown, learner=known.learner if known else None,
        metrics={
            "effect": found.average.value, "effect_low": found.average.low, "effect_high": found.average.high,
            "smallest": found.smallest, "qini": best.qini.value, "qini_low": best.qini.low,
            "qini_high": best.qini.high,
        },
    ), 0)  # fmt: skip
