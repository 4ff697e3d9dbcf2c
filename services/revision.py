"""Which code runs, so that what it made can be told from what another one makes."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def code_revision() -> str:
    """Which code trains: the commit, with a mark if files were changed since; else the package's version."""
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip() if found.returncode == 0 else version("touchstone")
