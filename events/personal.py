"""Personal fields: in the clear from the door to the append, sealed for ever after."""

from typing import Any


class Personal:
    """A field that says something about a person; either `Clear` or `Sealed`."""

    __slots__ = ()


class Clear(Personal):
    """A personal value on its way in. It never prints itself, and the codec refuses to write it."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clear) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


class Sealed(Personal):
    """A personal value under its event's own key: base64 of nonce and ciphertext."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return "Sealed(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)


def write_personal(value: Any) -> Any:
    """Encode hook: a sealed field is written, one in the clear is a defect of ours."""
    if isinstance(value, Sealed):
        return {"sealed": value.token}
    if isinstance(value, Clear):
        raise TypeError("a personal field in the clear must not be written")
    raise NotImplementedError(f"no wire form for {type(value).__name__}")


def read_published(kind: type, value: Any) -> Any:
    """Decode hook of the published form: `{"sealed": …}`."""
    if kind is Personal:
        if isinstance(value, dict) and isinstance(value.get("sealed"), str):
            return Sealed(value["sealed"])
        raise ValueError("Expected a sealed personal field")
    raise NotImplementedError(f"no wire form for {kind.__name__}")


def read_inbound(kind: type, value: Any) -> Any:
    """Decode hook of the inbound form: a plain string."""
    if kind is Personal:
        if isinstance(value, str):
            return Clear(value)
        raise ValueError("Expected `str` in a personal field")
    raise NotImplementedError(f"no wire form for {kind.__name__}")
