"""Writing, changing, deleting and reading the user's files, by every door."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

_WRITE = ("landlock", "readonly")


def _write(name: str, tries: str, program: str, *, calls: bool = False) -> Attempt:
    return Attempt(name, "files", tries, program, "files", _WRITE, calls=calls)


ATTEMPTS = (
    _write(
        "write_new", "Create a file in the user's folder.", 'open(FOLDER + "/new", "w").write("x")'
    ),
    _write("overwrite", "Open the user's file for writing.", 'open(VICTIM, "w").write("changed")'),
    _write("append", "Append to the user's file.", 'open(VICTIM, "a").write("more")'),
    _write("truncate", "Truncate the user's file by path.", "import os\nos.truncate(VICTIM, 3)"),
    _write("delete", "Delete the user's file.", "import os\nos.unlink(VICTIM)"),
    _write(
        "rename_inside",
        "Rename the user's file in its folder.",
        'import os\nos.rename(VICTIM, VICTIM + ".old")',
    ),
    _write(
        "rename_out",
        "Move the user's file into the scratch folder.",
        'import os\nos.rename(VICTIM, "taken")',
    ),
    _write(
        "rename_over",
        "Move a file of the scratch folder over the user's file.",
        'import os\nopen("mine", "w").write("mine")\nos.replace("mine", VICTIM)',
    ),
    _write(
        "rename_exchange",
        "Exchange the user's file with one of the scratch folder in one system call.",
        """
open("mine", "w").write("mine")
call("renameat2", AT_FDCWD, os.fsencode(os.path.abspath("mine")), AT_FDCWD, VICTIM.encode(), 2)
""",
        calls=True,
    ),
    _write("make_folder", "Make a folder.", 'import os\nos.mkdir(FOLDER + "/made")'),
    _write("remove_folder", "Remove an empty folder.", 'import os\nos.rmdir(FOLDER + "/empty")'),
    _write("make_fifo", "Make a named pipe.", 'import os\nos.mkfifo(FOLDER + "/fifo")'),
    _write(
        "make_socket",
        "Make a socket file.",
        'import os, stat\nos.mknod(FOLDER + "/node", 0o600 | stat.S_IFSOCK)',
    ),
    _write(
        "relative_to_folder",
        "Write relative to an open descriptor of the folder.",
        """
import os
folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
os.write(os.open("victim.txt", os.O_WRONLY | os.O_TRUNC, dir_fd=folder), b"changed")
""",
    ),
    _write(
        "change_folder",
        "Change into the folder and write by a bare name.",
        """
import os
here = os.getcwd()
try:
    os.chdir(FOLDER)
    open("victim.txt", "w").write("changed")
finally:
    os.chdir(here)
""",
    ),
    _write(
        "shutil_move",
        "Move the user's file with shutil, which copies where it cannot rename.",
        'import shutil\nshutil.move(VICTIM, "taken")',
    ),
    _write(
        "shutil_tree",
        "Delete the user's whole folder tree.",
        'import shutil\nshutil.rmtree(FOLDER + "/tree")',
    ),
    _write(
        "sqlite_attach",
        "Have SQLite write a database outside through ATTACH.",
        """
import sqlite3
link = sqlite3.connect(":memory:", isolation_level=None)
link.execute("ATTACH ? AS out", (FOLDER + "/out.db",))
link.execute("CREATE TABLE out.t (x)")
""",
    ),
    _write(
        "shell_redirection",
        "Have a shell write the file.",
        """
import subprocess
done = subprocess.run(["/bin/sh", "-c", 'echo changed > "$0"', VICTIM], capture_output=True)
if done.returncode:
    raise OSError(done.stderr.decode())
""",
    ),
    _write(
        "raw_open",
        "Open the user's file for writing by a bare system call.",
        """
descriptor = call("openat", AT_FDCWD, VICTIM.encode(), os.O_WRONLY | os.O_TRUNC, 0)
os.write(descriptor, b"changed")
""",
        calls=True,
    ),
    _write(
        "openat2",
        "Open the user's file for writing by openat2, which filters of openat overlook.",
        """
how = (ctypes.c_uint64 * 3)(os.O_WRONLY | os.O_TRUNC, 0, 0)
os.write(call("openat2", AT_FDCWD, VICTIM.encode(), how, 24), b"changed")
""",
        calls=True,
    ),
    _write(
        "unnamed_file_linked",
        "Make an unnamed file in scratch and link it into the user's folder.",
        """
descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(descriptor, b"x")
source, target = f"/proc/self/fd/{descriptor}".encode(), (FOLDER + "/linked").encode()
call("linkat", AT_FDCWD, source, AT_FDCWD, target, 0x400)
""",
        calls=True,
    ),
    _write(
        "reopen_for_writing",
        "Open the file read-only and open its descriptor again for writing.",
        """
import os
descriptor = os.open(VICTIM, os.O_RDONLY)
os.write(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY), b"changed")
""",
    ),
    _write(
        "path_descriptor",
        "Take an O_PATH descriptor, which needs no right to read, and open it for writing.",
        """
import os
descriptor = os.open(VICTIM, os.O_PATH)
os.write(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY), b"changed")
""",
    ),
    _write(
        "shared_map",
        "Open the file read-only, open it again through /proc and write through a shared map.",
        """
import mmap, os
descriptor = os.open(VICTIM, os.O_RDONLY)
with mmap.mmap(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR), 0) as pages:
    pages[:7] = b"changed"
    pages.flush()
""",
    ),
    _write(
        "out_of_scratch",
        "Write beside the scratch folder, into what the asking process keeps there.",
        'open("../" + NONCE, "w").write("x")',
    ),
    Attempt(
        "read_hidden",
        "files",
        "Read a key from a hidden folder of the home folder.",
        "print(open(HIDDEN).read())",
        "secret",
        ("landlock",),
    ),
    Attempt(
        "read_hidden_descriptor",
        "files",
        "Read that key through an O_PATH descriptor and /proc.",
        """
import os
descriptor = os.open(HIDDEN, os.O_PATH)
print(open(f"/proc/self/fd/{descriptor}").read())
""",
        "secret",
        ("landlock",),
    ),
    Attempt(
        "read_hidden_command",
        "files",
        "Have a command read that key.",
        """
import subprocess
print(subprocess.run(["cat", HIDDEN], capture_output=True, text=True, check=True).stdout)
""",
        "secret",
        ("landlock",),
    ),
)
