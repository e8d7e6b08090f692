"""Code in a snapshot, from a cell: its changes are shown, and applied or adopted on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.magic_cells import bundles, environment, execute, outputs, program, task_model, text_of
from tests.openai_server import OpenAIServer

CHANGING = "df['n'] *= 2\nmade = {'of': len(df)}\nprint(int(df['n'].sum()))"
ASK = "%%codesteer --with df --rounds 1 --no-check\nDouble n and sum it."


def notebook(
    cells: list[str], folder: Path, body: str = CHANGING, **env: str
) -> tuple[Any, OpenAIServer]:
    first = "import pandas as pd\ndf = pd.DataFrame({'n': [1, 2, 3]})"
    with OpenAIServer(task_model([program(body)], "12")) as server:
        done = execute(
            [first, *cells], folder, environment(folder, server, **env), allow_errors=True
        )
    return done, server


def test_the_live_frame_is_untouched_until_the_code_is_applied(tmp_path: Path) -> None:
    see = "df.n.tolist(), 'made' in globals()"
    done, _ = notebook([ASK, see, "%codesteer diff", "%codesteer apply --yes", see], tmp_path)
    (run,) = bundles(done, 1)
    execution = run["rounds"][0]["execution"]
    assert execution["executor"] == "fork"
    assert {"landlock", "seccomp"} <= {*execution["isolation"]} or not execution["isolation"]
    assert [(c["name"], c["kind"]) for c in execution["changes"]] == [
        ("df", "mutated"),
        ("made", "new"),
    ]
    page = "".join(str(item.get("data", {}).get("text/html", "")) for item in outputs(done, 1))
    assert "Would change in your kernel, and has not" in page
    assert "column n" in page
    assert any("snapshot of this kernel" in item["message"] for item in run["notices"])
    assert text_of(done, 2) == "([1, 2, 3], False)"
    assert "changed in place" in text_of(done, 3)
    applied = text_of(done, 4)
    assert "df['n'] *= 2" in applied
    assert applied.rstrip().endswith("12")
    assert text_of(done, 5) == "([2, 4, 6], True)"


def test_values_are_adopted_one_by_one(tmp_path: Path) -> None:
    done, _ = notebook(
        [
            ASK,
            "%codesteer adopt made --yes",
            "made, df.n.tolist()",
            "%codesteer discard",
            "%codesteer adopt df --yes",
        ],
        tmp_path,
    )
    assert "Took over made." in text_of(done, 2)
    assert text_of(done, 3) == "({'of': 3}, [1, 2, 3])"
    assert "as they were" in text_of(done, 4)
    assert "%codesteer apply" in text_of(done, 5)
    assert "Traceback" not in text_of(done, 5)


def test_without_consent_nothing_happens(tmp_path: Path) -> None:
    said = {
        "%codesteer apply": "add --yes",
        "%codesteer adopt df": "add --yes",
        "%codesteer adopt": "adopt NAME",
        "%codesteer adopt nothing --yes": "changed no nothing",
        "%codesteer diff 7": "from 1 to 1",
    }
    done, _ = notebook([ASK, *said, "df.n.tolist(), 'made' in globals()"], tmp_path)
    for at, words in enumerate(said.values(), 2):
        assert words in text_of(done, at)
        assert "Traceback" not in text_of(done, at)
    assert text_of(done, 2 + len(said)) == "([1, 2, 3], False)"


def test_risks_are_marked_before_code_is_applied(tmp_path: Path) -> None:
    body = "df['n'] *= 2\nif False:\n    df.to_csv('out.csv')\nprint(12)"
    done, _ = notebook([ASK, "%codesteer apply"], tmp_path, body)
    assert "line 3: writes or removes files" in text_of(done, 2)


@pytest.mark.parametrize("leave", ["exit()", "quit(0)", "import sys; sys.exit('enough')"])
def test_applied_code_that_leaves_does_not_end_the_kernel(tmp_path: Path, leave: str) -> None:
    see = "df.n.tolist(), type(exit).__name__, type(quit).__name__"
    body = f"df['n'] *= 2\nprint(12)\n{leave}\ndf['n'] *= 2"
    done, _ = notebook([see, ASK, "%codesteer apply --yes", see], tmp_path, body)
    applied = text_of(done, 3)
    assert "ended itself with exit code" in applied
    assert "your kernel goes on" in applied
    assert "line 3: ends the program early" in applied
    assert "To exit" not in applied
    assert text_of(done, 4) == text_of(done, 1).replace("[1, 2, 3]", "[2, 4, 6]")


def test_known_secrets_reach_neither_prompt_nor_record(tmp_path: Path) -> None:
    # Put together from parts, so that it is the output that is cleaned, not the answer's text.
    body = "key = 'sk-notebook-' + 'secret-0123456789'\nprint(key)\nraise OSError('Seen: ' + key)"
    cells = [
        "my_api_key = 'sk-notebook-secret-0123456789'",
        "%%codesteer --rounds 2 --no-check\nWhat is 1 + 1?",
    ]
    done, server = notebook(cells, tmp_path, body)
    (run,) = bundles(done, 2)
    assert "[hidden: my_api_key]" in str(run["rounds"][0]["execution"]["stdout"])
    sent = str([request.body for request in server.chats])
    assert "Seen: [hidden: my_api_key]" in sent  # the second round was told of the first
    assert "sk-notebook-secret-0123456789" not in sent
    assert "sk-notebook-secret-0123456789" not in str(bundles(done, 2))
    for file in (tmp_path / "home").rglob("*.jsonl"):
        assert "sk-notebook-secret-0123456789" not in file.read_text()


def test_a_session_of_snapshots_keeps_names_from_round_to_round(tmp_path: Path) -> None:
    replies = ["part = 41\nraise ValueError('first half')", "print(part + 1)"]
    with OpenAIServer(task_model([program(body) for body in replies])) as server:
        done = execute(
            [
                "%%codesteer --stateful --rounds 2 --no-check\nWhat is 41 + 1?",
                "'part' in globals()",
            ],
            tmp_path,
            environment(tmp_path, server),
        )
    (run,) = bundles(done, 0)
    assert run["answer"] == "42"
    assert text_of(done, 1) == "False"


def test_what_could_not_be_compared_is_said_beside_the_changes(tmp_path: Path) -> None:
    first = (
        "import threading\nlock = threading.Lock()\n"
        "df['t'] = pd.date_range('2024-01-01', periods=3)"
    )
    body = "df['n'] = [7, 8, 9]\nlock.acquire()\nprint(12)"
    done, _ = notebook([first, ASK, "%codesteer diff"], tmp_path, body)
    said = text_of(done, 3)
    assert "column n" in said
    assert "Could not be compared" in said
    assert "lock (TypeError)" in said
