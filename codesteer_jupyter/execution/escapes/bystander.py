"""Another process of the same user: what it keeps secret, and what was done to it.

Run as `python -I -S bystander.py TOKEN PATH`, standard library only; answers each line on its
input with a line of JSON. TOKEN stands in its command line for a password that was passed there,
PATH is a file it has mapped.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import sys

received: list[int] = []


def heard(number: int, _frame: object) -> None:
    received.append(number)


def state(buffer: object, text: bytes) -> dict[str, object]:
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        oom = int(file.read())
    return {
        "signals": received,
        "memory": bytes(buffer).rstrip(b"\0") == text,  # type: ignore[call-overload]  # a ctypes array
        "nice": nice,
        "processors": sorted(os.sched_getaffinity(0)),
        "scheduler": os.sched_getscheduler(0),
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "oom": oom,
    }


def main() -> None:
    library = ctypes.CDLL(None)
    library.prctl(0x59616D61, -1, 0, 0, 0)  # where Yama rules, let anybody trace this process
    text = os.environ["BAIT_MEMORY"].encode()
    buffer = ctypes.create_string_buffer(text, 64)
    del os.environ["BAIT_MEMORY"]
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        signal.signal(number, heard)
    with open(sys.argv[2], "rb") as file:
        held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    print(json.dumps({"address": ctypes.addressof(buffer), "length": len(text)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(state(buffer, text)), flush=True)
    held.close()


if __name__ == "__main__":
    main()
