# SPDX-License-Identifier: Apache-2.0
"""Files that people write: each is read to its last byte or refused with line and reason, as kapu reads its own
(operator/files/text.h). What is empty, cut, in another encoding or has control characters means nothing, so it must
not be taken for a file that allows something, or restricts nothing.
"""

import base64
import binascii
import re
import unicodedata
from pathlib import Path

from .errors import KapuError

MOST = 1 << 20
LINE_MOST = 8192
BEGIN, END, MARK = "-----BEGIN ", "-----END ", "-----"
BODY_LINE = 40  # characters of base64 without a blank: no explanation has that
BASE64 = re.compile(r"[A-Za-z0-9+/=]+")


def whole(path: Path, most: int = MOST) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise KapuError(f"{path}: {error.strerror}") from error
    if not data:
        raise KapuError(f"{path}: is empty")
    if len(data) > most:
        raise KapuError(f"{path}: is larger than {most} bytes, the most that such a file has")
    return data


def fault_of(line: str) -> str | None:
    if len(line) > LINE_MOST:
        return "is too long for a line of text"
    if "\0" in line:
        return "has a zero byte: it is damaged, or no text, or text in UTF-16"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and c != "\t" for c in line):
        return "has a control character: it is damaged, or no text"
    return None


def text_lines(path: Path, needs_end: bool = True) -> list[tuple[int, str]]:
    """All lines with their numbers, without their ends (a line feed, or a carriage return and a line feed)."""
    data = whole(path)
    if data.startswith(b"\xef\xbb\xbf"):
        raise KapuError(f"{path}, line 1: begins with a byte order mark: save it as plain text")
    found = data.split(b"\n")
    rest = found.pop()
    if rest:
        if needs_end:
            raise KapuError(f"{path}, line {len(found) + 1}: does not end: the file was cut, or lacks its last line feed")
        found.append(rest)
    made = []
    for number, raw in enumerate(found, 1):
        try:
            line = raw.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise KapuError(f"{path}, line {number}: is not UTF-8") from error
        if fault := fault_of(line):
            raise KapuError(f"{path}, line {number}: {fault}")
        made.append((number, line))
    return made


def rules(path: Path, least: int = 1) -> list[tuple[int, str]]:
    """Lines that say something, without blanks around them; a comment is a line that begins with '#'. Only comments may
    have other characters than ASCII. A file with fewer such lines is refused."""
    found = []
    for number, line in text_lines(path):
        line = line.strip(" \t")
        if not line or line.startswith("#"):
            continue
        if not line.isascii():
            raise KapuError(f"{path}, line {number}: has a character that is not ASCII, outside of a comment")
        found.append((number, line))
    if len(found) < least:
        raise KapuError(f"{path}: says nothing: it has no line that is not a comment")
    return found


# ---- PEM (RFC 7468) ----

def decoded(body: str) -> bytes:
    """Strict base64; a ValueError else."""
    try:
        data = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if not data or base64.b64encode(data).decode() != body:
        raise ValueError("bits are left over")
    return data


def parts_of(line: str) -> list[str]:
    """A line, cut before and after each mark: blocks may be joined without a line feed."""
    return [part for part in re.split(r"(-----(?:BEGIN|END) [^-]+-----)", line.strip(" \t")) if part.strip()]


class Blocks:
    """What was read so far of a PEM file."""

    def __init__(self):
        self.found: list[tuple[int, str, bytes]] = []
        self.label: str | None = None
        self.body, self.begin = "", 0

    def take(self, number: int, part: str, joined: bool) -> str | None:
        """A fault, or None."""
        if part.startswith(BEGIN) and part.endswith(MARK):
            if self.label is not None:
                return "begins a block in the middle of another"
            self.label, self.body, self.begin = part[len(BEGIN):-len(MARK)], "", number
        elif part.startswith(END) and part.endswith(MARK):
            return self.end(part[len(END):-len(MARK)])
        elif self.label is not None:
            body = re.sub(r"[ \t]", "", part)
            if not BASE64.fullmatch(body):
                return "is not base64"
            self.body += body
        elif MARK in part:
            return "has a mark that is damaged"
        elif joined:
            return "has something after the end of a block"
        elif BASE64.fullmatch(part) and len(part) >= BODY_LINE:
            return "is base64 outside of a block"
        return None

    def end(self, label: str) -> str | None:
        if self.label is None:
            return "ends a block that does not begin"
        if label != self.label:
            return "ends another block than the one that began"
        self.label = None
        try:
            self.found.append((self.begin, label, decoded(self.body)))
        except ValueError:
            return f"ends a block (of line {self.begin}) that is not base64 to its end"
        return None


def pem(path: Path) -> list[tuple[int, str, bytes]]:
    """All blocks: the line where each begins, its label, its content."""
    if whole(path)[:1] == b"\x30":
        raise KapuError(f"{path}, line 1: is DER; PEM is needed: openssl x509 -inform DER makes it")
    read = Blocks()
    for number, line in text_lines(path, needs_end=False):
        for i, part in enumerate(parts_of(line)):
            if fault := read.take(number, part, i > 0):
                raise KapuError(f"{path}, line {number}: {fault}")
    if read.label is not None:
        raise KapuError(f"{path}, line {read.begin}: the block that begins here has no end: the file was cut")
    if not read.found:
        raise KapuError(f"{path}: has no PEM block")
    return read.found
