"""A PostgreSQL of our own from a wheel: on a Unix socket, started and stopped exactly when told."""

import logging
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import URL

from infra.local import account
from infra.local.processes import Program, StartFailed, alone

log = logging.getLogger(__name__)

START_SECONDS = 300.0
"""Long, because after a crash PostgreSQL first replays its log; a server that dies is noticed at once."""
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "6GB",
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
SUPERUSER, PORT = "postgres", 5432
LONGEST_SOCKET = 100
"""A socket's path may have 107 bytes on Linux and 103 elsewhere."""


class LocalPostgres:
    """PostgreSQL in a directory: data, socket and log. It outlives this object unless stopped.

    As root the server runs as an account of its own. Where that account cannot reach the directory (below a
    closed home, say), the data is put where it can: see `home`, or the file `moved-to` in the directory.
    """

    def __init__(self, directory: Path | str, settings: Mapping[str, str] | None = None) -> None:
        self.directory = Path(directory).expanduser().resolve()
        self._account = account.server_account()
        moves = self._account is not None and not account.enters(self.directory.parent, self._account)
        self.home = account.shelter(self.directory) if moves else self.directory
        self._data = self.home / "data"
        self._settings = SETTINGS | dict(settings or {})
        self._program = Program(
            title="PostgreSQL",
            name="postgres",
            home=self._data,
            pid_file=self._data / "postmaster.pid",
            log=self.home / "postgres.log",
            stop_with=((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers; one that runs here already is adopted. StartFailed if not."""
        self._make_home()
        with alone(self.home / "start.lock"):
            process = self._program.find()
            if process is None:
                programs = account.programs(self._account)
                self._initialise(programs)
                self._clear_after_crash()
                process = self._launch(programs)
            self._program.await_ready(process, self._accepts, START_SECONDS)

    def stop(self) -> None:
        """Stop it, rolling back what open sessions have not committed; does nothing if it does not run."""
        if self.home.exists():
            with alone(self.home / "start.lock"):
                self._program.stop()

    def restart(self) -> None:
        """Stop it if it runs, and start it; after a crash it recovers all that was committed."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it and delete everything it holds, wherever that is."""
        self.stop()
        for path in (self.home, self._socket_directory(), self.directory):
            shutil.rmtree(path, ignore_errors=True)

    def alive(self) -> bool:
        """Whether the server runs and takes connections on its socket (it may still be recovering)."""
        if self._program.find() is None:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self._socket_directory() / f".s.PGSQL.{PORT}"))
            except OSError:
                return False
        return True

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, running or not."""
        return self._url(database).render_as_string(hide_password=False)

    def create_database(self, name: str) -> None:
        """Create it if it is missing."""
        with self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not found:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _url(self, database: str) -> URL:
        where = {"host": str(self._socket_directory()), "port": str(PORT)}
        return URL.create("postgresql+psycopg", username=SUPERUSER, database=database, query=where)

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        where = str(self._socket_directory())
        return psycopg.connect(
            host=where, port=PORT, user=SUPERUSER, dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _accepts(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _socket_directory(self) -> Path:
        """In the home, if a socket's path is not too long there."""
        usual = self.home / "socket"
        if len(os.fsencode(usual / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET:
            return usual
        return account.temporary() / f"touchstone-socket-{account.digest(self.home)}"

    def _make_home(self) -> None:
        account.make(self.directory)
        note = self.directory / "moved-to"
        if self.home != self.directory and not note.exists():
            if self._data.exists():
                # The directory was deleted without the data moved out of it: whoever did wants a fresh start.
                removed = self.home.with_name(f"{self.home.name}.removed")
                self.stop()
                shutil.rmtree(removed, ignore_errors=True)
                self.home.rename(removed)
                log.warning("%s was deleted: its PostgreSQL data is set aside in %s", self.directory, removed)
            log.warning(
                "PostgreSQL may not enter %s when started by root: its data is in %s",
                self.directory,
                self.home,
            )
            note.write_text(f"{self.home}\n")
        account.owned(account.make(self.home), os.geteuid())
        if self._account and not account.enters(self.home, self._account):
            self.home.chmod(self.home.stat().st_mode | 0o011)
        private = account.make(self._socket_directory(), owner=self._account, mode=0o700)
        account.owned(private, self._account.pw_uid if self._account else os.geteuid())

    def _initialise(self, programs: Path) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        fresh = self.home / "data.new"  # renamed when complete, so an interrupted one is never taken for data
        shutil.rmtree(fresh, ignore_errors=True)
        account.make(fresh, owner=self._account, mode=0o700)
        command = [
            str(programs / "initdb"),
            "-D",
            str(fresh),
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
        ]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        who = self._account
        done = subprocess.run(
            command,
            env=self._environment(),
            cwd="/",
            capture_output=True,
            text=True,
            user=who.pw_uid if who else None,
            group=who.pw_gid if who else None,
            extra_groups=[] if who else None,
        )
        if done.returncode:
            raise StartFailed(f"initdb could not make {fresh}: {done.stderr.strip()}")
        fresh.rename(self._data)

    def _clear_after_crash(self) -> None:
        """No server runs: end what a killed one left; its lock file goes, as the pid may be a stranger's."""
        if not self._program.pid_file.exists():
            return
        orphans = [p for p in psutil.process_iter() if self._program.recognise(p.pid)]
        # They end by themselves when their server is gone; one deep in a query may not notice.
        for orphan in psutil.wait_procs(orphans, timeout=5)[1]:
            orphan.kill()
        psutil.wait_procs(orphans, timeout=5)
        self._program.pid_file.unlink()

    def _launch(self, programs: Path) -> psutil.Process:
        sockets = str(self._socket_directory()).replace('"', '""')
        settings = {"listen_addresses": "", "port": str(PORT), "unix_socket_directories": f'"{sockets}"'}
        settings |= {"dynamic_shared_memory_type": _shared_memory()} | self._settings
        argv = [str(programs / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        return self._program.spawn(argv, env=self._environment(), cwd=Path("/"), who=self._account)

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))
        }
        return kept | {"LC_ALL": "C"}


def _shared_memory() -> str:
    """Containers often have 64 MB of /dev/shm, where a parallel query fails: there the server uses files."""
    try:
        roomy = shutil.disk_usage("/dev/shm").free >= 256 * 2**20  # noqa: S108
    except OSError:
        roomy = True
    return "posix" if roomy else "mmap"
