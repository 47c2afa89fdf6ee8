# SPDX-License-Identifier: Apache-2.0
"""An encoder of what our signed files are made of."""


def cbor(value) -> bytes:
    """Deterministic CBOR of integers, truths, texts, byte strings, lists, and maps of those."""
    def head(major: int, n: int) -> bytes:
        if n < 24:
            return bytes([major << 5 | n])
        for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 1 << 8 * size:
                return bytes([major << 5 | extra]) + n.to_bytes(size, "big")
        raise ValueError(f"{n} does not fit")
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        items = sorted((cbor(key), cbor(item)) for key, item in value.items())
        return head(5, len(items)) + b"".join(key + item for key, item in items)
    raise TypeError(f"no CBOR for {type(value).__name__}")
