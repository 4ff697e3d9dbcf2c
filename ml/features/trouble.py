"""What speaks of leaving: complaints, cases, clocks that ran out, requests to cancel, bad marks."""

import polars as pl

from ml.cut import within
from ml.definition import Feature

COMPLAINT = ("touch.recorded", "case.opened", "case.imported")
CASE = ("case.opened", "case.imported", "case.closed", "case.resolved", "case.reopened", "case.clock_missed")
CANCEL, SURVEY = ("holding.cancel_requested",), ("survey.answered",)
_day = pl.col("occurred_at").dt.truncate("1d")
_mark = pl.col("score") / pl.col("scale")


def _complaint_days(days: int) -> pl.Expr:
    return _day.filter(pl.col("is_complaint") & within(days)).n_unique()


FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            f"complaint_days_{days}d", "complaint", f"distinct days with a complaint in {days} days", "days",
            COMPLAINT, "events", _complaint_days(days), f"complained on {{}} of the last {days}", empty=0.0,
        )
        for days in (90, 365)
    ),
    Feature(
        "days_since_complaint", "complaint", "time since the last complaint", "days", COMPLAINT, "events",
        pl.col("age").filter(pl.col("is_complaint")).min(), "last complaint {} ago", "never complained",
    ),
    Feature(
        "open_cases", "complaint", "cases that are open", "cases", CASE, "cases", pl.col("open").sum(), "{} open",
        empty=0.0,
    ),
    Feature(
        "cases_365d", "complaint", "cases taken on in 365 days", "cases", CASE, "cases", within(365).sum(),
        "{} in the last 365 days", empty=0.0,
    ),
    Feature(
        "missed_promises_365d", "complaint", "promises missed in the cases of 365 days", "times", CASE, "cases",
        pl.col("missed").filter(within(365)).sum(), "a promise missed {}", empty=0.0,
    ),
    Feature(
        "reopened_365d", "complaint", "times a case of 365 days was opened again", "times", CASE, "cases",
        pl.col("reopened").filter(within(365)).sum(), "a case opened again {}", empty=0.0,
    ),
    *(
        Feature(
            f"cancel_requests_{days}d", "leaving", f"requests to cancel in {days} days", "requests", CANCEL, "events",
            (pl.col("is_cancel") & within(days)).sum(), f"{{}} to cancel in the last {days} days", empty=0.0,
        )
        for days in (90, 365)
    ),
    Feature(
        "saves_365d", "leaving", "save offers accepted in 365 days", "offers", ("holding.save_accepted",), "events",
        (pl.col("is_saved") & within(365)).sum(), "{} to stay accepted in the last 365 days", empty=0.0,
    ),
    Feature(
        "last_mark", "satisfaction", "last survey score ÷ the highest possible", "share", SURVEY, "events",
        _mark.filter(pl.col("is_survey")).last(), "last mark {} of the best", "never answered", skewed=False,
    ),
    Feature(
        "worst_mark_180d", "satisfaction", "lowest survey score ÷ the highest possible, in 180 days", "share", SURVEY,
        "events", _mark.filter(pl.col("is_survey") & within(180)).min(), "worst mark {} of the best",
        "no answer in 180 days", skewed=False,
    ),
    Feature(
        "survey_answers_365d", "satisfaction", "survey answers in 365 days", "answers", SURVEY, "events",
        (pl.col("is_survey") & within(365)).sum(), "{} in the last 365 days", empty=0.0,
    ),
)  # fmt: skip
