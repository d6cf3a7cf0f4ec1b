"""How the C library keeps memory that is free again: large blocks not at all, so that a process takes what it uses.

Left alone, glibc keeps freed blocks of up to 32 MB for later. Painting frees and asks for blocks of many sizes, so what
is kept does not fit what is asked for next, and the process grows by up to half as much again as it uses. With another
C library nothing is done here.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

LARGE = 4 * 2**20  # bytes of a block that is given back as soon as it is free
LARGE_IN_TILES = 2**20  # the same where tiles ask for blocks of many sizes in turn: a tenth slower, a tenth less
SPARE = 32 * 2**20  # bytes of smaller ones that may be kept: small pictures ask for them at every step
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def ask_for_large_pages() -> None:
    """Have torch take large blocks in large pages, if no tensor was made yet: new ones are then there much sooner."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def keep_no_spare(in_tiles: bool = False) -> None:
    """Give back what is free, and from now on large blocks at once; smaller ones too where tiles are worked on."""
    library: Any = ctypes.CDLL(None) if os.name == "posix" else None
    if hasattr(library, "malloc_trim"):
        library.mallopt(M_MMAP_THRESHOLD, LARGE_IN_TILES if in_tiles else LARGE)
        library.mallopt(M_TRIM_THRESHOLD, SPARE)
        library.malloc_trim(0)
