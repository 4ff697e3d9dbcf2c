"""What customers say of us when asked."""

from typing import Annotated, Literal

from msgspec import Meta

from events.envelope import Event
from events.personal import Personal
from events.registry import event
from events.vocabulary import Code, Name

Method = Literal["key_press", "agent_question", "sampling", "follow_up"]
Phase = Literal["before", "during", "at_end", "after"]
Score = Annotated[float, Meta(ge=0, le=10)]
Scale = Annotated[int, Meta(ge=1, le=10, description="The highest score that could be given.")]


@event("survey.answered", door="facts", by="IVR, agent desktop, survey company")
class SurveyAnswered(Event):
    """The customer answered one question, with a score on its scale, in their own words, or both.

    The four methods are kept apart: people answer a key press, an agent and an outside company
    differently.
    """

    question: Code
    method: Method
    phase: Phase
    score: Score | None = None
    scale: Scale = 5
    text: Personal | None = None
    signals: tuple[Code, ...] = ()
    survey: Name | None = None
    contact_id: Name | None = None
    agent: Name | None = None
    team: Name | None = None

    def __post_init__(self) -> None:
        if self.score is not None and self.score > self.scale:
            raise ValueError("`score` must not be above `scale`")
