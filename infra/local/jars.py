"""Kafka's jars: which ones (the lock file), where they are (Maven's cache), and that they are those."""

import hashlib
import logging
import os
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LOCK = Path(__file__).with_name("jgo.lock.toml")
DOWNLOADS_AT_ONCE = 8
TIMEOUT_SECONDS = 30


class JarsMissing(RuntimeError):
    """Kafka's jars can't be had: not cached, and not to be fetched."""


class JarBroken(JarsMissing):
    """A jar is not the one the lock file names."""


@dataclass(frozen=True)
class Jar:
    """One jar as the lock file names it."""

    group: str
    artifact: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    def path(self, repository: Path) -> Path:
        """Where Maven, and so jgo, keeps it."""
        folder = repository.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def locked(lock: Path = LOCK) -> list[Jar]:
    """The jars of a lock file, in class path order; JarBroken if one has no checksum."""
    entries = tomllib.loads(lock.read_text())["dependencies"]
    for entry in entries:
        if "sha256" not in entry:
            raise JarBroken(f"{lock} has no checksum for {entry['groupId']}:{entry['artifactId']}")
    return [Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries]


def cache() -> Path:
    """Where jars are kept: ~/.m2/repository, or where jgo's settings say. JarsMissing without jgo."""
    try:
        from jgo.config import GlobalSettings
    except ImportError:
        raise JarsMissing("Kafka's jars are fetched with jgo: pip install 'touchstone[local]'") from None
    return Path(GlobalSettings.load().repo_cache)


def missing(jars: Sequence[Jar], repository: Path) -> list[Jar]:
    """Those that are not cached."""
    return [jar for jar in jars if not jar.path(repository).exists()]


def ready(lock: Path = LOCK, repository: Path | None = None) -> list[Path]:
    """The class path: each jar fetched if need be, its checksum verified; else JarsMissing or JarBroken."""
    where = repository or cache()
    jars = locked(lock)
    fetch(missing(jars, where), where)
    verify(jars, where)
    return [jar.path(where) for jar in jars]


def verify(jars: Sequence[Jar], repository: Path) -> None:
    """JarBroken, naming the jar, its path and the way out, if a cached jar is not the one that was locked."""
    for jar in jars:
        path = jar.path(repository)
        if _sha256(path) != jar.sha256:
            raise JarBroken(
                f"{jar} is not the jar the lock file names: delete {path} and start again to fetch it anew"
            )


def fetch(jars: Sequence[Jar], repository: Path) -> None:
    """Download jars into the cache; one appears there only complete and verified."""
    if not jars:
        return
    log.info("fetching %d of Kafka's jars, once", len(jars))
    repository.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=repository, prefix=".fetching-") as scratch,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        context = registry(Path(scratch))
        list(pool.map(lambda jar: _fetch_one(jar, context, repository), jars))


def registry(repository: Path) -> Any:
    """jgo's view of the registries: its default, and those of the user's own jgo settings."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    remotes = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
    return MavenContext(repo_cache=repository, remote_repos=remotes, timeout=TIMEOUT_SECONDS)


def reachable(jar: Jar) -> bool:
    """Whether a registry offers the jar, without downloading it."""
    from jgo.util import http

    where = jar.path(Path()).as_posix()
    for remote in registry(cache()).remote_repos.values():
        try:
            if http.head(f"{remote}/{where}", timeout=5).status_code == 200:
                return True
        except OSError:
            continue
    return False


def _fetch_one(jar: Jar, context: Any, repository: Path) -> None:
    try:
        got = Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
    except (RuntimeError, OSError) as error:
        raise JarsMissing(
            f"{jar} is not cached and could not be fetched ({type(error).__name__}): is there a network?"
        ) from error
    if _sha256(got) != jar.sha256:
        raise JarBroken(
            f"{jar} arrived with another checksum than the lock file names: try again, then ask the registry"
        )
    target = jar.path(repository)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(got, target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
