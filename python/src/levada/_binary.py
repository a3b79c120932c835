"""Where the binary is."""

import os
import shutil
import sysconfig
from pathlib import Path

VARIABLE = "LEVADA_BINARY"


def find_binary() -> str:
    """The binary named by `LEVADA_BINARY`, else this wheel's, else the one on the PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        return named
    for folder in _script_folders():
        candidate = folder / "levada"
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("levada")
    if found:
        return found
    raise FileNotFoundError(f"there is no levada binary; install the wheel, or set {VARIABLE}")


def _script_folders():
    yield Path(sysconfig.get_path("scripts"))
    # `pip install --user` has a folder of its own.
    user = sysconfig.get_preferred_scheme("user")
    yield Path(sysconfig.get_path("scripts", user))
