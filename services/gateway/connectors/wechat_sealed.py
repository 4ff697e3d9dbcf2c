"""How WeChat seals a message: AES-256-CBC over 16 chance bytes, a length, the message, and the account's app id."""

import base64
import binascii

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from services.gateway.connectors.connector import Refusal, Unmapped
from services.gateway.connectors.wechat_xml import body

BLOCK = 32
"""Padding is PKCS#7 to so many bytes, the key's length, and not to the cipher's sixteen."""
CHANCE, LENGTH = 16, 4


def envelope(raw: bytes) -> str:
    """What is sealed, as it stands in the XML around it. Raises `Refusal` where there is nothing."""
    try:
        return body(raw)["Encrypt"]
    except (Unmapped, KeyError):
        raise Refusal(
            403,
            "sealed_wrong",
            "the body is no sealed message: switch the account to its safe mode, or leave `aes_key` out",
        ) from None


def unseal(sealed: str, aes_key: str, app_id: str) -> bytes:
    """The message. Raises `Refusal` where it does not open, or was sealed for another account.

    The signature was checked before, so that nobody can ask us which padding is right.
    """
    wrong = Refusal(
        403, "sealed_wrong", "the message is not sealed for this account: look at `aes_key` and `app_id`"
    )
    key = key_bytes(aes_key)
    try:
        data = base64.b64decode(sealed, validate=True)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        plain = decryptor.update(data) + decryptor.finalize()
    except (binascii.Error, ValueError):
        raise wrong from None
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise wrong
    plain = plain[CHANCE:-padding]
    size = int.from_bytes(plain[:LENGTH])
    message, owner = plain[LENGTH : LENGTH + size], plain[LENGTH + size :]
    if len(message) != size or (app_id and owner != app_id.encode()):
        raise wrong
    return message


def key_bytes(aes_key: str) -> bytes:
    """The 32 bytes of an EncodingAESKey. Raises ValueError for what is none."""
    key = base64.b64decode(aes_key + "=")
    if len(key) != BLOCK:
        raise ValueError("an EncodingAESKey has 43 letters and digits")
    return key
