"""AES-128 of segments (RFC 8216, 4.3.2.4): done by us after a cell was verified, since the segment muxer cannot."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEY_BYTES = 16


def new_key() -> str:
    """In hex."""
    return secrets.token_hex(KEY_BYTES)


def encrypt_file(path: Path, key: str, number: int) -> None:
    """AES-128-CBC with PKCS7, in place; the number of the segment is the initialization vector (5.2)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # 7 MB
    from cryptography.hazmat.primitives.padding import PKCS7

    cipher = Cipher(algorithms.AES128(bytes.fromhex(key)), modes.CBC(number.to_bytes(KEY_BYTES, "big"))).encryptor()
    padder = PKCS7(algorithms.AES128.block_size).padder()
    padded = padder.update(path.read_bytes()) + padder.finalize()
    path.write_bytes(cipher.update(padded) + cipher.finalize())
