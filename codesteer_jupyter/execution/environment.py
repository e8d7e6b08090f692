"""The environment of generated code: an allow-list, so that no key reaches it by accident.

Where other processes' environments can be read it is hygiene, not a wall; confinement closes them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

__all__ = ["allowed_environment", "import_paths", "own_folders"]

_NAMES = frozenset(
    {
        *("PATH", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "LANGUAGE"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
        "SYSTEMROOT",
    }
)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)


def allowed_environment(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """What of `source` (this process's environment by default) generated code gets to see."""
    source = os.environ if source is None else source
    return {
        name: value
        for name, value in source.items()
        if (name in _NAMES or name.startswith("LC_")) and not _SECRET.search(name)
    }


def own_folders(
    scratch: str | os.PathLike[str], matplotlib: str | os.PathLike[str]
) -> dict[str, str]:
    """The variables that make libraries write where the code may."""
    return {
        "HOME": os.fspath(scratch),
        "TMPDIR": os.fspath(scratch),
        "MPLCONFIGDIR": os.fspath(matplotlib),
    }


def import_paths() -> list[str]:
    """Folders modules are imported from here, so that a value whose class is defined in a
    notebook's neighbouring module can be rebuilt in another process.
    """
    return [os.path.abspath(path or os.getcwd()) for path in sys.path]
