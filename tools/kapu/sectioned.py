# SPDX-License-Identifier: Apache-2.0
"""Files of sections of records: what kernel profile and allow-list have in common (lib/introspect/sectioned_format.h).

Magic (8), version (4), size of the file (4), more of a header, then offset and number of records of
each section, then the sections, each aligned to 8 bytes, and at the end the SHA-256 of all that. Little-endian.
"""

import hashlib
import struct

HEAD = 16  # bytes of what all such files begin with
BLOCK, DIGEST = 64, 32


def pack(magic: bytes, version: int, more: bytes, sections) -> bytes:
    at = HEAD + len(more) + 8 * len(sections)
    directory, body = b"", b""
    for records in sections:
        data = b"".join(records)
        directory += struct.pack("<II", at + len(body), len(records))
        body += data + bytes(-len(data) % 8)
    body += bytes(-(at + len(body)) % BLOCK)
    content = magic + struct.pack("<II", version, at + len(body) + DIGEST) + more + directory + body
    return content + hashlib.sha256(content).digest()


def digest(data: bytes) -> bytes:
    """Of a file that pack() made: what another file names it by."""
    return data[-DIGEST:]
