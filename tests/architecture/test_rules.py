"""Rules of the house that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.database import engine_for
from infra.migrating import CHAINS, differences

ROOT = Path(__file__).parents[2]
PACKAGES = ("events", "models", "ml", "infra", "services")
LONGEST = 300

ASK_THE_SYSTEM = {
    "infra/clock.py": "the one place that asks for the time",
    "infra/ids.py": "the one place that makes ids",
}
"""Who may; everybody else is handed a time or an id."""

PURE = (
    "events",
    "models/domain",
    "models/policies",
    "models/projections",
    "models/handling.py",
    "models/ports.py",
)
SYSTEM_MODULES = {
    "asyncio",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "socket",
    "threading",
    "time",
    "uuid",
}
STORES_CODE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

MOMENTS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
           ("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime")}  # fmt: skip
IDS = {"uuid1", "uuid4", "uuid6", "uuid7", "uuid8"}

BANNED_FAUST = {
    "take": "loses the batch when it raises",
    "Table": "truth lives in the journal", "GlobalTable": "truth lives in the journal",
    "SetTable": "truth lives in the journal", "SetGlobalTable": "truth lives in the journal",
    "tumbling": "windows get lost", "hopping": "windows get lost",
}  # fmt: skip


def modules(*under: str) -> list[Path]:
    """The Python files of packages, folders or files."""
    found = []
    for name in under:
        path = ROOT / name
        found += [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call in a file: the node, what it is called on, and what is called."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Attribute(value=ast.Name(id=on), attr=called):
                    yield node, on, called
                case ast.Attribute(value=ast.Attribute(attr=on), attr=called):
                    yield node, on, called
                case ast.Attribute(attr=called):
                    yield node, "", called
                case ast.Name(id=called):
                    yield node, "", called


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, one.name) for one in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield node.lineno, module
                yield from ((node.lineno, f"{module}.{one.name}") for one in names)


def test_only_clock_and_ids_ask_the_system_for_the_time_or_an_id():
    found = [
        f"{name_of(path)}:{node.lineno} {on}.{called}"
        for path in modules(*PACKAGES)
        if name_of(path) not in ASK_THE_SYSTEM
        for node, on, called in calls(path)
        if (on, called) in MOMENTS or called in IDS
    ]
    assert found == []


def test_what_may_ask_the_system_still_does():
    """An entry of the list that is needed no more is taken out."""
    for name in ASK_THE_SYSTEM:
        used = {(on, called) for _, on, called in calls(ROOT / name)}
        assert used & MOMENTS or {called for _, called in used} & IDS


def test_rules_and_the_contract_know_no_clock_chance_process_or_environment():
    found = [
        f"{name_of(path)}:{line} {module}"
        for path in modules(*PURE)
        for line, module in imports(path)
        if module.split(".")[0] in SYSTEM_MODULES
    ]
    assert found == []


def test_nothing_reads_or_writes_a_form_of_storage_that_can_run_code():
    found = [
        f"{name_of(path)}:{line} {module}"
        for path in modules(*PACKAGES)
        for line, module in imports(path)
        if module.split(".")[0] in STORES_CODE
    ]
    assert found == []


def test_no_module_is_longer_than_a_person_reads_at_once():
    written = [path for path in modules(*PACKAGES) if "migrations" not in path.parts]  # those are generated
    found = {name_of(path): len(path.read_text().splitlines()) for path in written}
    assert {name: lines for name, lines in found.items() if lines > LONGEST} == {}


def test_workers_use_nothing_of_faust_that_loses_events():
    found = []
    for path in modules("services/workers"):
        for node, _, called in calls(path):
            given = {one.arg: one.value for one in node.keywords if one.arg}
            if called in BANNED_FAUST:
                found.append(f"{name_of(path)}:{node.lineno} {called}: {BANNED_FAUST[called]}")
            if "concurrency" in given and not _is(given["concurrency"], 1):
                found.append(f"{name_of(path)}:{node.lineno} concurrency commits past unfinished work")
            if "processing_guarantee" in given and not _is(given["processing_guarantee"], "at_least_once"):
                found.append(f"{name_of(path)}:{node.lineno} exactly-once is not")
    assert found == []
    assert all("exactly_once" not in path.read_text() for path in modules("services/workers"))


def test_workers_read_raw_bytes_so_that_a_bad_message_reaches_the_one_wrapper():
    topics = [
        {one.arg: one.value for one in node.keywords if one.arg}
        for path in modules("services/workers")
        for node, on, called in calls(path)
        if (on, called) == ("app", "topic")
    ]
    assert topics
    for given in topics:
        assert _is(given["value_serializer"], "raw")
        assert _is(given["key_serializer"], "raw")
        assert isinstance(given["value_type"], ast.Name)
        assert given["value_type"].id == "bytes"


def test_every_faust_agent_hands_its_messages_to_the_one_wrapper():
    agents = [
        node
        for path in modules("services/workers")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef)
        and any(
            isinstance(one, ast.Call) and getattr(one.func, "attr", "") == "agent"
            for one in node.decorator_list
        )
    ]
    assert agents
    for agent in agents:
        (loop,) = [one for one in ast.walk(agent) if isinstance(one, ast.AsyncFor)]
        said = [ast.unparse(one) for one in loop.body]
        assert sum(one.startswith("await settle(") for one in said) == 1
        leaving = (ast.Break, ast.Continue, ast.Return, ast.Try, ast.If)
        assert not any(isinstance(one, leaving) for one in ast.walk(loop))


@pytest.mark.parametrize("chain", CHAINS)
def test_the_migrations_make_the_tables_that_the_code_knows(settings, chain):
    engine = engine_for({"workspace": settings.database_url, "vault": settings.vault_url}[chain])
    with engine.connect() as connection:
        assert differences(connection, chain) == []
    engine.dispose()


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == value
