"""A software keystore on a database of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsmgate.adapters.sealing_key import SealingKey
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import connect


@contextmanager
def software_keystore(folder: Path, now: float) -> Iterator[SoftwareKeystore]:
    """Open it below `folder`; for this keystore it is always `now`."""
    keystore = SoftwareKeystore(connect(None, None, None, folder), SealingKey(os.urandom(32)), lambda: now)
    try:
        yield keystore
    finally:
        keystore.close()
