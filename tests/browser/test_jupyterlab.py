"""The views in JupyterLab: live, stopped by their button, and reopened without trust and kernel.

Screenshots are left in build/screenshots to be looked at.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from codesteer_jupyter.views.static import RUN_MIME, bundle
from tests.views import runs
from tests.views.test_live import FEED, WIDGET

from .chromium import Page, chromium, find, wait_for

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find() is None, reason="no Chromium or Chrome on this machine"),
]

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
SLOW = FEED.replace("0.02 if", "0.1 if").replace("for event", "try:\n  for event")
SLOW = SLOW.replace("    time.sleep", "      time.sleep").replace("    view.on", "      view.on")
PYTHON = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PANEL = "[...window.jupyterapp.shell.widgets('main')][0]"
RUN_ALL = f"""{PANEL}.sessionContext.ready.then(() => {{
    window.jupyterapp.shell.activateById({PANEL}.id);
    window.jupyterapp.commands.execute('notebook:run-all-cells');
    return true;
}})"""
SAVE = f"{PANEL}.context.save().then(() => true)"
IDLE = "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status == 'idle'"


class Lab:
    """A JupyterLab server on loopback."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def show(self, page: Page, name: str, theme: str = "light") -> None:
        page.open(f"http://127.0.0.1:{self.port}/lab/tree/{name}?token=t&reset")
        page.wait("Boolean(window.jupyterapp && document.querySelector('.jp-Cell'))", 60)
        given = json.dumps({"theme": THEMES[theme]})
        page.run(f"window.jupyterapp.commands.execute('apputils:change-theme', {given})")
        page.run("window.jupyterapp.commands.execute('application:toggle-left-area')")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    quiet = folder / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    news = {"fetchNews": "false", "checkForUpdates": False}
    (quiet / "notification.jupyterlab-settings").write_text(json.dumps(news))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=t", f"--ServerApp.root_dir={notebooks}"),
            "--LabApp.expose_app_in_browser=True",
        ],
        cwd=notebooks,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=t", timeout=2).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers, 60, "JupyterLab")
        yield Lab(notebooks, port)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def page() -> Iterator[Page]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with chromium() as shown:
        yield shown


def write(lab: Lab, name: str, *cells: nbformat.NotebookNode, kernel: dict[str, str]) -> Path:
    path = lab.folder / name
    made = nbformat.v4.new_notebook(cells=list(cells), metadata={"kernelspec": kernel})
    nbformat.write(made, path)
    return path


@pytest.mark.parametrize("theme", THEMES)
def test_rounds_appear_while_they_happen_and_a_page_remains(
    lab: Lab, page: Page, theme: str
) -> None:
    name = f"live-{theme}.ipynb"
    cell = nbformat.v4.new_code_cell(SLOW + "finally:\n  view.finish()")
    path = write(lab, name, cell, kernel=PYTHON)
    lab.show(page, name, theme)
    page.wait(IDLE, 60)
    page.run(RUN_ALL)
    page.wait("document.querySelectorAll('.cs-round').length == 3")
    page.wait("(document.querySelector('.cs-text')?.textContent ?? '').length > 60")
    page.screenshot(SHOTS / f"live-{theme}.png")
    page.wait("!document.querySelector('.codesteer-rounds')", 60)
    page.wait("document.querySelectorAll('.jp-OutputArea-output details').length >= 3")
    page.screenshot(SHOTS / f"finished-{theme}.png")
    page.run(SAVE)
    outputs = nbformat.read(path, 4).cells[0].outputs
    assert [RUN_MIME in output.data and WIDGET not in output.data for output in outputs] == [True]
    assert not [error for error in page.errors if "codesteer" in error.lower()]


def test_the_stop_button_interrupts_the_cell(lab: Lab, page: Page) -> None:
    stopped = "except KeyboardInterrupt:\n  pass\nfinally:\n  view.finish()"
    cell = nbformat.v4.new_code_cell(SLOW + stopped)
    write(lab, "stop.ipynb", cell, kernel=PYTHON)
    lab.show(page, "stop.ipynb")
    page.wait(IDLE, 60)
    page.run(RUN_ALL)
    page.wait("Boolean(document.querySelector('.cs-text'))")
    page.run("document.querySelector('.cs-stop').click()")
    page.wait(IDLE, 5)
    text = page.wait("document.querySelector('.jp-OutputArea-output')?.innerText")
    assert "interrupted" in text
    assert "Round 3" not in text


WRONG = "Both begin with 9, and 11 is more than 9.\n\n<<<9.11>>>"
PROGRAM = """I compare them as exact decimals.

```python
from decimal import Decimal

numbers = [Decimal("9.11"), Decimal("9.9")]
largest = max(numbers)
for number in numbers:
    print(number, "is below the largest by", largest - number)
print(f"<<<{largest}>>>")
```
"""
CHECK = """```python
from fractions import Fraction

given = ANSWER.strip()
want = max(("9.11", "9.9"), key=Fraction)
print("Correct" if given == want else f"Incorrect: {want} is larger")
```"""


def ask(lab: Lab, page: Page, name: str, theme: str, replies: list[object]) -> Path:
    """Run a notebook with one question to a scripted model."""
    (lab.folder / "script.json").write_text(json.dumps(replies))
    question = "%%codesteer --model scripted:script.json\nWhich number is larger, 9.11 or 9.9?"
    cells = map(nbformat.v4.new_code_cell, ("%load_ext codesteer_jupyter", question))
    path = write(lab, name, *cells, kernel=PYTHON)
    lab.show(page, name, theme)
    page.wait(IDLE, 60)
    page.run(RUN_ALL)
    return path


def kept(path: Path) -> dict[str, object]:
    """The one record in the saved notebook, which holds no widget."""
    bundles = [output.get("data", {}) for output in nbformat.read(path, 4).cells[1].outputs]
    assert not [data for data in bundles if WIDGET in data]
    (record,) = (data[RUN_MIME] for data in bundles if RUN_MIME in data)
    return dict(record)


@pytest.mark.parametrize("theme", THEMES)
def test_the_magic_shows_its_rounds(lab: Lab, page: Page, theme: str) -> None:
    slow = {"delay": 0.1, "chunk": 8}
    check = {"match": "string variable ANSWER", "reply": CHECK, "repeat": True}
    replies = [check, {"reply": WRONG, **slow}, {"reply": PROGRAM, **slow}]
    path = ask(lab, page, f"magic-{theme}.ipynb", theme, replies)
    page.wait("document.querySelectorAll('.cs-round').length == 2", 60)
    page.wait("(document.querySelector('.cs-text')?.textContent ?? '').length > 120", 60)
    page.screenshot(SHOTS / f"magic-live-{theme}.png")
    page.wait("document.querySelectorAll('.jp-OutputArea-output details[open]').length == 1", 60)
    page.wait("!document.querySelector('.codesteer-rounds')")
    page.wait(IDLE)
    page.screenshot(SHOTS / f"magic-finished-{theme}.png")
    page.run(SAVE)
    record = kept(path)
    assert (record["status"], record["answer"]) == ("answered", "9.9")


def test_the_magic_is_stopped_by_the_button(lab: Lab, page: Page) -> None:
    check = {"match": "string variable ANSWER", "reply": CHECK, "repeat": True}
    path = ask(lab, page, "halt.ipynb", "light", [check, WRONG, {"reply": PROGRAM, "delay": 60}])
    page.wait("document.querySelectorAll('.cs-round').length == 2", 60)
    page.wait("document.querySelector('.cs-title').textContent.includes('answering')")
    page.run("document.querySelector('.cs-stop').click()")
    page.wait(IDLE, 10)
    page.wait("!document.querySelector('.codesteer-rounds')")
    page.screenshot(SHOTS / "magic-stopped.png")
    page.run(SAVE)
    record = kept(path)
    assert record["status"] == "interrupted"
    assert len(record["rounds"]) == 1  # type: ignore[arg-type]  # a list, in the schema


@pytest.mark.parametrize("theme", THEMES)
def test_a_saved_run_reads_without_kernel_and_trust(lab: Lab, page: Page, theme: str) -> None:
    state = runs.states()
    cells = []
    for name in ("finished", "interrupted", "failed", "limited"):
        output = nbformat.v4.new_output("display_data", bundle(state[name]))
        cells.append(nbformat.v4.new_code_cell(f"%%codesteer\nA run: {name}", outputs=[output]))
    gone = {"name": "gone", "display_name": "gone"}
    write(lab, f"saved-{theme}.ipynb", *cells, kernel=gone)
    lab.show(page, f"saved-{theme}.ipynb", theme)
    page.wait("Boolean(document.querySelector('.jp-Dialog select'))")
    page.run("""(() => {
        const choice = document.querySelector('.jp-Dialog select');
        choice.value = [...choice.options].find((option) => option.text == 'No Kernel').value;
        choice.dispatchEvent(new Event('change', {bubbles: true}));
        document.querySelector('.jp-Dialog .jp-mod-accept').click();
    })()""")
    page.wait("!document.querySelector('.jp-Dialog')")
    page.screenshot(SHOTS / f"saved-{theme}.png")
    # Every inline style we wrote has come through the sanitiser of an untrusted notebook.
    written = bundle(state["finished"])["text/html"].count("style=")
    first = "document.querySelector('.jp-OutputArea-output')"
    assert page.run(f"{first}.querySelectorAll('[style]').length") == written
    declared = page.run(f"[...{first}.querySelectorAll('[style]')].map((e) => e.style.length)")
    assert min(declared) > 0
    assert page.run(f"{first}.querySelectorAll('details[open]').length") == 1
    assert page.run(f"{first}.querySelector('img').naturalWidth") == 8


DOUBLING = """I double the column.

```python
df["n"] *= 2
df.iloc[0, 0] = 5.0
print(int(df["n"].sum()))
```
"""


def test_a_large_frame_is_left_alone_until_the_code_is_applied(lab: Lab, page: Page) -> None:
    (lab.folder / "double.json").write_text(json.dumps([DOUBLING]))
    sources = (
        "%load_ext codesteer_jupyter\nimport numpy, pandas\n"
        "df = pandas.DataFrame(numpy.ones((25_000_000, 10)), columns=['n', *'abcdefghi'])\n"
        "f'{df.memory_usage().sum() / 1e9:.1f} GB'",
        "%%codesteer --model scripted:double.json --with df --rounds 1 --no-check\n"
        "Double the column n of df; what is its sum?",
        "df.n.sum()",
        "%codesteer apply --yes",
        "df.n.sum(), df.iloc[0, 0]",
    )
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path = write(lab, "large.ipynb", *cells, kernel=PYTHON)
    lab.show(page, "large.ipynb")
    page.wait(IDLE, 60)
    page.run(RUN_ALL)
    page.wait("document.body.innerText.includes('np.float64(50000003.0)')", 120)
    page.wait(IDLE, 60)
    page.run("document.querySelectorAll('.jp-Cell')[1].scrollIntoView()")
    page.screenshot(SHOTS / "snapshot.png")
    page.run("document.querySelectorAll('.jp-Cell')[3].scrollIntoView()")
    page.screenshot(SHOTS / "applied.png")
    page.run(SAVE)
    done = nbformat.read(path, 4).cells
    texts = [
        "".join(
            str(item.get("data", {}).get("text/plain", item.get("text", ""))) for item in outputs
        )
        for outputs in (cell.outputs for cell in done)
    ]
    assert texts[0] == "'2.0 GB'"
    (record,) = (o["data"][RUN_MIME] for o in done[1].outputs if RUN_MIME in o.get("data", {}))
    execution = record["rounds"][0]["execution"]
    assert execution["executor"] == "fork"
    assert [change["name"] for change in execution["changes"]] == ["df"]
    assert "column n" in execution["changes"][0]["detail"]
    assert texts[2] == "np.float64(25000000.0)"  # the live frame was left alone
    assert texts[4] == "(np.float64(50000003.0), np.float64(5.0))"
