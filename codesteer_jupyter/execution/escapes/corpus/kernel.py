"""Interfaces of the kernel that filters and rules overlook, and system calls by other doors."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

_OPEN_BY_RING = """
import mmap, struct
facts = ctypes.create_string_buffer(120)
ring = call("io_uring_setup", 4, facts)
words = struct.unpack("30I", facts.raw)
sq, cq = words[10:20], words[20:30]
size = max(sq[6] + 4 * words[0], cq[5] + 16 * words[1])
rings = mmap.mmap(ring, size, mmap.MAP_SHARED, offset=0)
entries = mmap.mmap(ring, 64 * words[0], mmap.MAP_SHARED, offset=0x10000000)
path = ctypes.create_string_buffer((FOLDER + "/ring").encode())
address = ctypes.addressof(path)
entry = struct.pack("<BBHiQQIIQ24x", 18, 0, 0, AT_FDCWD, 0, address, 0o600, 0o101, 1)
entries[:64] = entry
mask = struct.unpack_from("I", rings, sq[2])[0]
tail = struct.unpack_from("I", rings, sq[1])[0]
struct.pack_into("I", rings, sq[6] + 4 * (tail & mask), 0)
struct.pack_into("I", rings, sq[1], tail + 1)
call("io_uring_enter", ring, 1, 1, 1, 0, 0)
head = struct.unpack_from("I", rings, cq[0])[0]
answer = struct.unpack_from("<Qi", rings, cq[5] + 16 * (head & mask))[1]
if answer < 0:
    raise OSError(-answer, os.strerror(-answer))
"""


def _object(name: str, tries: str, program: str, *needs: str) -> Attempt:
    text = f"def work():\n    mark(NONCE)\n    held = {program}\n    hold()\napart(work)"
    layers = ("seccomp", "capabilities") if "root" in needs else ("seccomp",)
    return Attempt(
        *(name, "kernel interfaces", tries, text, "object", layers, needs),
        calls=True,
        watched=True,
    )


# Machine code in a page of its own, below 4 GiB so that 32-bit calls find what lies in it.
_MACHINE = """
import struct
library = ctypes.CDLL(None, use_errno=True)
library.mmap.restype = ctypes.c_void_p
library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
low = 0x40 if platform.machine() == "x86_64" else 0
page = library.mmap(None, 8192, 7, 0x22 | low, -1, 0)
if page == ctypes.c_void_p(-1).value:
    checked(-1)
data = page + 4096
def put(where, what):
    ctypes.memmove(where, what, len(what))
def machine(code):
    put(page, code)
    answer = ctypes.CFUNCTYPE(ctypes.c_long)(page)()
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return answer
def compat(number, b, c):
    # push rbx; mov eax, number; mov ebx, b; mov ecx, c; xor edx, edx; int 0x80; cdqe; pop rbx; ret
    code = b"\\x53\\xb8" + struct.pack("<I", number) + b"\\xbb" + struct.pack("<I", b)
    code += b"\\xb9" + struct.pack("<I", c) + b"\\x31\\xd2\\xcd\\x80\\x48\\x98\\x5b\\xc3"
    return machine(code)
put(data, VICTIM.encode() + b"\\0")
"""


def _machine(
    name: str, tries: str, work: str, witness: str, layers: tuple[str, ...], *needs: str
) -> Attempt:
    body = "".join(f"    {line}\n" for line in work.strip().splitlines())
    program = f"{_MACHINE}\ndef work():\n{body}apart(work)"
    return Attempt(name, "syscalls", tries, program, witness, layers, needs, calls=True)


ATTEMPTS = (
    Attempt(
        "io_uring_open",
        "kernel interfaces",
        "Create a file through io_uring, whose calls no filter sees.",
        _OPEN_BY_RING,
        "files",
        ("landlock", "seccomp", "readonly"),
        ("io_uring",),
        calls=True,
    ),
    _object(
        "io_uring",
        "Set up an io_uring.",
        'call("io_uring_setup", 4, ctypes.create_string_buffer(120))',
        "io_uring",
    ),
    _object(
        "bpf",
        "Make a BPF map.",
        'call("bpf", 0, (ctypes.c_uint32 * 32)(2, 4, 4, 1), 128)',
        "bpf",
    ),
    _object(
        "perf_event",
        "Open a performance counter.",
        'call("perf_event_open", (ctypes.c_uint32 * 32)(1, 128, 9, 0, *[0] * 6, 96), 0, -1, -1, 0)',
        "perf_event",
    ),
    _object(
        "userfaultfd",
        "Take page faults into one's own hands, the tool of many kernel exploits.",
        'call("userfaultfd", os.O_CLOEXEC | 1)',
        "userfaultfd",
    ),
    _object(
        "fanotify",
        "Watch a whole file system.",
        'call("fanotify_init", 0, 0)',
        "root",
    ),
    _object(
        "crypto_socket",
        "Open a socket to the kernel's ciphers (AF_ALG).",
        "__import__('socket').socket(38, 5)",
        "af_alg",
    ),
    _object(
        "packet_socket",
        "Open a socket that sees every packet.",
        "__import__('socket').socket(17, 3, 0)",
        "root",
    ),
    Attempt(
        "keyring",
        "kernel interfaces",
        "Leave a key in the user's keyring.",
        'call("add_key", b"user", NONCE.encode(), b"data", 4, -4)',
        "ipc",
        ("seccomp", "userns"),
        ("keyring",),
        calls=True,
    ),
    Attempt(
        "personality",
        "kernel interfaces",
        "Switch off the random layout of memory for programs to come.",
        'def work():\n    mark(NONCE)\n    call("personality", 0x40000)\n    hold()\napart(work)',
        "identity",
        ("seccomp",),
        calls=True,
        watched=True,
    ),
    Attempt(
        "open_by_handle",
        "kernel interfaces",
        "Open a file by its number on the file system instead of its path.",
        """
handle = ctypes.create_string_buffer(136)
ctypes.c_uint.from_buffer(handle, 0).value = 128
call("name_to_handle_at", AT_FDCWD, VICTIM.encode(), handle, ctypes.byref(ctypes.c_int()), 0)
folder = os.open(FOLDER, os.O_RDONLY)
os.write(call("open_by_handle_at", folder, handle, os.O_WRONLY), b"changed")
""",
        "files",
        ("seccomp", "userns", "capabilities", "readonly"),
        ("root", "handles"),
        calls=True,
    ),
    _machine(
        "machine_code",
        "Open the user's file by machine code that belongs to no library.",
        """
if platform.machine() == "x86_64":
    # mov eax, 2; mov rdi, data; mov esi, 1; xor edx, edx; syscall; ret
    code = b"\\xb8\\x02\\0\\0\\0\\x48\\xbf" + struct.pack("<Q", data)
    code += b"\\xbe\\x01\\0\\0\\0\\x31\\xd2\\x0f\\x05\\xc3"
else:
    # mov x0, #99; mvn x0, x0; ldr x1, data; mov x2, #1; mov x3, #0; mov x8, #56; svc #0; ret; nop
    words = 0xD2800C60, 0xAA2003E0, 0x580000E1, 0xD2800022, 0xD2800003, 0xD2800708, 0xD4000001
    code = struct.pack("<9I", *words, 0xD65F03C0, 0xD503201F) + struct.pack("<Q", data)
os.ftruncate(machine(code), 0)
""",
        "files",
        ("landlock", "readonly"),
        "machine_code",
    ),
    _machine(
        "compat_open",
        "Open the user's file by a 32-bit system call, whose numbers differ.",
        "os.ftruncate(compat(5, data, 1), 0)",
        "files",
        ("landlock", "readonly"),
        "compat",
    ),
    _machine(
        "compat_chmod",
        "Change the rights of the user's file by a 32-bit system call.",
        "compat(15, data, 0o666)",
        "files",
        ("seccomp", "readonly"),
        "compat",
    ),
    _machine(
        "compat_socket",
        "Connect by the 32-bit socketcall, which carries every socket call under one number.",
        """
put(data, struct.pack("<3I", 2, 1, 0))
descriptor = compat(102, 1, data)
put(data + 64, bytes([2, 0]) + TCP.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8))
put(data, struct.pack("<3I", descriptor, data + 64, 16))
compat(102, 3, data)
os.write(descriptor, b"out")
""",
        "received",
        ("seccomp", "netns"),
        "compat",
    ),
    Attempt(
        "x32_open",
        "syscalls",
        "Open the user's file by a system call of the x32 set, whose numbers carry a flag.",
        """
descriptor = call(0x40000000 + 257, AT_FDCWD, VICTIM.encode(), os.O_WRONLY | os.O_TRUNC, 0)
os.write(descriptor, b"changed")
""",
        "files",
        ("landlock", "readonly"),
        ("x32",),
        calls=True,
    ),
    Attempt(
        "x32_chmod",
        "syscalls",
        "Change the rights of the user's file by a system call of the x32 set.",
        "call(0x40000000 + 90, VICTIM.encode(), 0o666)",
        "files",
        ("seccomp", "readonly"),
        ("x32",),
        calls=True,
    ),
)
