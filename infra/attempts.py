"""How often an event was in hand when its handler failed or hung; a local file, that outlives the process."""

import json
from pathlib import Path
from tempfile import NamedTemporaryFile

MOST = 3
"""With the third attempt an event is set aside."""


class Attempts:
    """Event id → attempts that failed. The worker counts what was raised, its parent what hung.

    Only those two count: a database that is away, or a process that somebody killed, says nothing of an event.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def beside(cls, heart: Path) -> "Attempts":
        """The attempts of the process whose heart this is."""
        return cls(heart.with_suffix(".attempts"))

    def counts(self) -> dict[str, int]:
        """All that are remembered."""
        try:
            found = json.loads(self._path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {str(item): int(count) for item, count in found.items()}

    def failed(self, item: str) -> int:
        """One more attempt failed; how many did."""
        counts = self.counts()
        counts[item] = counts.get(item, 0) + 1
        self._write(counts)
        return counts[item]

    def spent(self) -> list[str]:
        """Those with no attempt left."""
        return [item for item, count in self.counts().items() if count >= MOST]

    def forget(self, items: list[str]) -> None:
        """They were taken after all, or set aside."""
        counts = self.counts()
        if any(counts.pop(item, None) is not None for item in items):
            self._write(counts)

    def _write(self, counts: dict[str, int]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=self._path.parent, delete=False) as file:
            json.dump(counts, file)
        Path(file.name).replace(self._path)
