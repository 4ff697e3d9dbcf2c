"""What a mapping takes for granted, in sentences for the report."""

from services.importer.mapping import (
    DateRule,
    FixedRule,
    Mapping,
    Moment,
    MonthsBeforeRule,
    YearByOrderRule,
)


def explain(mapping: Mapping) -> list[str]:
    """Sentences for the report: how the times were found, and what had to be assumed."""
    defaults = mapping.defaults
    rules = [rule for rule in (defaults.occurred_at, *(b.occurred_at for b in mapping.event)) if rule]
    sentences = [
        f"Times: {rule.says or _rule_in_words(rule, defaults.zone)}" for rule in dict.fromkeys(rules)
    ]
    if defaults.known_assumed:
        known = "at the moment it happened" if defaults.known_at == "occurred" else "when the mapping says"
        sentences.append(f"Known: the company is taken to have known of it {known}; marked as assumed.")
    return [*sentences, *(f"Assumed: {sentence}" for sentence in mapping.assumptions)]


def _rule_in_words(rule: Moment, zone: str) -> str:
    match rule:
        case DateRule(column=column, clock=clock):
            return f"column {column}{f' with {clock}' if clock else ''}, in the zone {zone}."
        case YearByOrderRule(month=month, day=day, first_year=first, last_year=last):
            return (
                f"columns {day} and {month}; the year follows from the order of the rows: the first row is "
                f"of {first}, a month before that of the row above opens the next year, none is after {last}."
            )
        case MonthsBeforeRule(months=months, before=before):
            return f"as many months before {before} as column {months} says."
        case FixedRule(at=at):
            return f"{at} for every line."
    raise TypeError(f"no words for {type(rule).__name__}")
