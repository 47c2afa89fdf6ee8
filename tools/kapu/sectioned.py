# SPDX-License-Identifier: Apache-2.0
"""Files of sections of records: what kernel profile and allow-list have in common.

Magic (8), version (4), size of the file (4), more of a header, then offset and number of records of
each section, then the sections, each aligned to 8 bytes. Little-endian.
"""

import struct

HEAD = 16  # bytes of what all such files begin with


def pack(magic: bytes, version: int, more: bytes, sections) -> bytes:
    at = HEAD + len(more) + 8 * len(sections)
    directory, body = b"", b""
    for records in sections:
        data = b"".join(records)
        directory += struct.pack("<II", at + len(body), len(records))
        body += data + bytes(-len(data) % 8)
    return magic + struct.pack("<II", version, at + len(body)) + more + directory + body
