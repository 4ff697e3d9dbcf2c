"""What only the simulator knows: how each customer answers a treatment, and what would have happened without."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BufferedWriter
from pathlib import Path
from typing import IO, Literal

import msgspec

Kind = Literal["persuadable", "sure", "lost", "do_not_disturb"]
"""Stays (or returns) only if treated; stays anyway; leaves anyway; leaves because of the treatment."""
CampaignPurpose = Literal["retention", "win_back"]


class Assignment(msgspec.Struct, frozen=True, kw_only=True, tag_field="row", tag="assignment"):
    """One customer in one campaign: chance decided who is treated, with this known `propensity`.

    What is to happen is that they leave (`retention`) or come back (`win_back`) in [assigned_at, until).
    `probability_held_out` and `probability_treated` are its true probabilities by what chance decides, given
    everything that was so at that moment; not everybody who is to be treated is reached, and
    `probability_reached` is that of those who are. `happened` is what came of it.
    """

    account: str
    kind: Kind
    campaign: str
    purpose: CampaignPurpose
    treatment: str
    assigned_at: datetime
    until: datetime
    propensity: float
    held_out: bool
    reached: bool
    probability_held_out: float
    probability_treated: float
    probability_reached: float
    happened: bool
    happened_at: datetime | None = None


class Fate(msgspec.Struct, frozen=True, kw_only=True, tag_field="row", tag="customer"):
    """One customer at the end of the world. `left_at` is their last going, `returned` how often they came back."""

    account: str
    kind: Kind
    joined_at: datetime
    left_at: datetime | None = None
    why: str | None = None
    returned: int = 0


Secret = Assignment | Fate
_BUFFER = 1 << 20
_decoder = msgspec.json.Decoder(Assignment | Fate)
encode = msgspec.json.Encoder().encode


@contextmanager
def open_lines(path: Path) -> Iterator[IO[bytes]]:
    """A new file of lines, packed if it is called .gz; the same lines give the same bytes at any time."""
    with path.open("wb") as file:
        if path.suffix != ".gz":
            yield file
            return
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=3, fileobj=file, mtime=0) as packed,
            BufferedWriter(packed, _BUFFER) as lines,
        ):
            yield lines


def read_secrets(path: Path) -> Iterator[Secret]:
    """The rows of a side file. Raises `OSError`, `msgspec.MsgspecError`."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            yield _decoder.decode(line)
