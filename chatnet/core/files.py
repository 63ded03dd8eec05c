"""Files that people send each other: what is said of one, and how it may be called."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from mimetypes import MimeTypes

from chatnet.core.refusals import Malformed

LONGEST_NAME = 180  # bytes of UTF-8: what every file system takes, with room for a suffix
LONGEST_TYPE = 100  # characters
LONGEST_SEALED = 4096  # characters
ANYTHING = "application/octet-stream"  # the type of what has none
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")  # RFC 6838 section 4.2
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{12}")
_UNSAFE = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)", re.I)
_TYPES = MimeTypes()
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class File:
    """What is said of a file.

    ``size`` is in bytes; -1 while that is not known. ``sha256`` is in hexadecimal digits, and empty
    while that is not known. ``sealed`` is for those who have the keys to read it; the server passes
    it on.
    """

    id: str
    name: str
    size: int
    type: str = ANYTHING
    sha256: str = ""
    sealed: str = ""


def checked(file: File) -> File:
    """Return ``file`` with a name and a type that harm nobody.

    Raises:
        Malformed: it cannot be; the sentence says why.
    """
    if file.sha256 and not _DIGEST.fullmatch(file.sha256):
        raise Malformed("A SHA-256 is written as 64 hexadecimal digits, in small letters.")
    if len(file.sealed) > LONGEST_SEALED or not file.sealed.isascii():
        raise Malformed(f"What is sealed has at most {LONGEST_SEALED} characters of ASCII.")
    name = safe_name(file.name)
    return replace(file, name=name, type=safe_type(file.type or type_of(name)))


def is_id(text: str) -> bool:
    """Return whether a file may have the id ``text``."""
    return bool(_ID.fullmatch(text))


def safe_name(name: str) -> str:
    """Return ``name`` without whatever could do harm where a file is called so.

    That is what stands before it in a path, what is no visible character (controls, and those that
    turn the direction of writing), what Windows gives another meaning, and what is too long.
    """
    last = re.split(r"[/\\]", name[-4096:])[-1]
    shown = "".join([char for char in last if unicodedata.category(char)[0] != "C"])
    plain = " ".join(unicodedata.normalize("NFC", shown).translate(_UNSAFE).split())
    plain = plain.strip(". ") or "file"
    if _DEVICES.match(plain):
        plain = f"_{plain}"
    return _shortened(plain)


def _shortened(name: str) -> str:
    """Return ``name``, or, of one that is too long, its beginning and its suffix."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > 16:
        stem, dot, suffix = name, "", ""
    most = LONGEST_NAME - len((dot + suffix).encode())
    return stem.encode()[:most].decode(errors="ignore").rstrip(". ") + dot + suffix


def safe_type(kind: str) -> str:
    """Return the media type ``kind`` without its parameters, or that of anything."""
    bare = kind.partition(";")[0].strip().lower()
    return bare if len(bare) <= LONGEST_TYPE and _TYPE.fullmatch(bare) else ANYTHING


def type_of(name: str) -> str:
    """Return the media type that a file called ``name`` probably has; the same on all systems."""
    return _TYPES.guess_type(name)[0] or ANYTHING


def spell_size(size: float) -> str:
    """Return ``size``, in bytes, in words: ``1.4 MiB``."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
