"""New namespaces, mounts, other users and rights: becoming someone who may do more."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

_FAMILY = "namespaces and rights"


def _become(name: str, tries: str, work: str, *needs: str) -> Attempt:
    """A process that becomes something else while another one of the program stays as it was."""
    body = "".join(f"    {line}\n" for line in work.strip().splitlines())
    program = f"""
def stay():
    mark(NONCE + "a")
    hold(0.5)
def become():
    mark(NONCE + "b")
{body}    hold()
staying = os.fork()
if staying == 0:
    try:
        stay()
    finally:
        os._exit(0)
try:
    apart(become)
finally:
    os.waitpid(staying, 0)
"""
    # In a user namespace of one's own rights may be handed on, but no other user exists.
    layers = ("capabilities", *(("userns",) if name != "capset" else ()))
    layers = layers if "root" in needs else ("seccomp",)
    return Attempt(
        *(name, _FAMILY, tries, program, "identity", layers, needs),
        calls=True,
        watched=True,
    )


def _write(name: str, tries: str, work: str, *needs: str) -> Attempt:
    body = "".join(f"    {line}\n" for line in work.strip().splitlines())
    return Attempt(
        *(name, _FAMILY, tries, f"def work():\n{body}apart(work)", "files"),
        ("landlock", "seccomp", "readonly"),
        needs,
        calls=True,
    )


ATTEMPTS = (
    _become(
        "unshare_user",
        "Make a user namespace, in which one has every right.",
        'call("unshare", CLONE_NEWUSER)',
        "userns",
    ),
    _become(
        "clone_user",
        "Make a user namespace by the flags of clone.",
        """
child = call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
if child == 0:
    mark(NONCE + "c")
    hold()
    os._exit(0)
os.waitpid(child, 0)
""",
        "userns",
    ),
    _become(
        "clone3_user",
        "Make a user namespace by clone3, whose flags a filter cannot read.",
        """
asked = (ctypes.c_uint64 * 8)(CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD)
child = call("clone3", asked, 64)
if child == 0:
    mark(NONCE + "c")
    hold()
    os._exit(0)
os.waitpid(child, 0)
""",
        "userns",
    ),
    _become(
        "enter_namespace",
        "Enter a network namespace of one's own.",
        """
try:
    call("unshare", CLONE_NEWNET)
except PermissionError:
    call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
""",
        "userns",
    ),
    Attempt(
        "mount",
        _FAMILY,
        "Mount an empty file system over the user's folder.",
        'call("mount", b"none", (FOLDER + "/empty").encode(), b"tmpfs", 0, 0)',
        "mount",
        ("landlock", "seccomp", "userns", "capabilities"),
        ("root",),
        calls=True,
    ),
    _write(
        "mount_alias",
        "Mount the user's folder a second time below scratch and write there.",
        """
os.mkdir("alias")
try:
    call("unshare", CLONE_NEWNS)
except PermissionError:
    call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
call("mount", b"none", b"/", 0, 0x44000, 0)
call("mount", FOLDER.encode(), os.fsencode(os.path.abspath("alias")), 0, 0x1000, 0)
open("alias/victim.txt", "w").write("changed")
""",
        "userns",
    ),
    _write(
        "chroot",
        "Take the user's folder as the root folder and write by a short path.",
        """
try:
    os.chroot(FOLDER)
except PermissionError:
    call("unshare", CLONE_NEWUSER)
    os.chroot(FOLDER)
open("/victim.txt", "w").write("changed")
""",
        "userns",
    ),
    _become(
        "setuid",
        "Become another user.",
        "os.setgroups([])\nos.setresgid(12345, 12345, 12345)\nos.setresuid(12345, 12345, 12345)",
        "root",
    ),
    _become(
        "setgid", "Become a member of another group.", "os.setresgid(12345, 12345, 12345)", "root"
    ),
    _become(
        "capset",
        "Hand rights on to programs to come.",
        """
head = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
call("capget", head, sets)
sets[2] |= 1
call("capset", head, sets)
""",
        "root",
    ),
)
