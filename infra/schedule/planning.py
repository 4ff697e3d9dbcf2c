"""Which jobs a workspace has: those of its rules, then the lists of its folder."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from infra.settings import Settings
from infra.target_list.definition import Definition
from models.domain.rules import Rules
from models.domain.schedule import Job, check_time, named_after, named_once

ASKED_BY = "schedule"
"""Who asks for a list that a second person must approve."""


class Plan(Struct, frozen=True, kw_only=True):
    """The jobs, in the order in which they run when due at once; and what keeps others from being there."""

    jobs: tuple[Job, ...]
    problems: tuple[str, ...] = ()


def plan(rules: Rules, settings: Settings) -> Plan:
    """What is to happen by itself. A definition that can't be read is a problem, and hinders no other job."""
    jobs = [one.job() for one in rules.schedule]
    listed, problems = _lists(settings.lists) if settings.lists else ([], [])
    for job in listed:
        try:
            named_once([*jobs, job])
        except ValueError as error:
            problems.append(str(error))
        else:
            jobs.append(job)
    return Plan(jobs=tuple(jobs), problems=tuple(problems))


def _lists(folder: Path) -> tuple[Sequence[Job], list[str]]:
    """The lists that have a time, the highest priority first, then by name; and what is wrong with others."""
    if not folder.is_dir():
        return [], [f"{folder} is no folder: TOUCHSTONE_LISTS names one with definitions of lists"]
    found: list[tuple[int, str, Job]] = []
    problems = []
    for path in sorted(folder.resolve().glob("*.toml")):
        try:
            said = msgspec.convert(tomllib.loads(path.read_text()), Definition, strict=False)
            if not said.schedule.strip():
                continue
            check_time(said.schedule)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            problems.append(f"{path}: {error}")
        except ValueError as error:
            problems.append(f"{path}: $.schedule: {error}")
        else:
            found.append((-said.priority, path.stem, _job(path, said)))
    return [job for _, _, job in sorted(found, key=lambda one: one[:2])], problems


def _job(path: Path, said: Definition) -> Job:
    asked = ("--by", ASKED_BY) if said.approval else ()
    return Job(
        name=f"list-{named_after(path.stem)}", when=said.schedule,
        words=("list", "build", "--definition", str(path), *asked),
    )  # fmt: skip
