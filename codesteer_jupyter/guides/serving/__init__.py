"""One guide in a process of its own, for all notebooks of a user: `codesteer guide serve`."""
