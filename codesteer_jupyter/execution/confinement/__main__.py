"""Run by path with `python -I -S`: what can be had here, a line for each layer (`probing.py`)."""

import os
import sys

if __name__ == "__main__":
    # Nothing else of the installation is imported, and this folder's modules under their package.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    sys.path.append(os.path.dirname(here))
    from confinement import probing  # type: ignore[import-not-found]  # found by that path

    sys.stdout.buffer.write(probing.to_lines(probing.try_all()))
