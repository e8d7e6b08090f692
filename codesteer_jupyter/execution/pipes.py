"""The pipe a program's standard stream goes through."""

from __future__ import annotations

import os

__all__ = ["Pipe"]


class Pipe:
    """A pipe the program writes to; this process only reads what has arrived."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)

    def take(self, most: int = 2**16) -> bytes | None:
        """What has arrived (perhaps nothing); None at the end."""
        try:
            return os.read(self.read, most) or None
        except BlockingIOError:
            return b""

    def close_writer(self) -> None:
        """Close this process's copy of the end the program writes to."""
        if self.write >= 0:
            os.close(self.write)
            self.write = -1

    def close(self) -> None:
        """Close both ends; calling it twice is fine."""
        self.close_writer()
        if self.read >= 0:
            os.close(self.read)
            self.read = -1
