"""What is said of the variables that code changed, and of those it may have changed unseen."""

from __future__ import annotations

from codesteer_jupyter.steering.trajectory import Execution
from codesteer_jupyter.views.changed import changes_html, changes_text

SENTENCE = "Could not be compared, so a change of it would not be seen: "


def execution(*changed: str, **unread: str) -> Execution:
    changes = tuple({"name": name, "kind": "new", "type": "int", "after": "1"} for name in changed)
    extra = {"not_compared": unread} if unread else {}
    return Execution("ok", executor="fork", changes=changes, extra=extra)


def test_what_could_not_be_compared_is_said_with_and_without_changes() -> None:
    assert changes_text(execution()) == []
    assert changes_text(execution(lock="TypeError", big="too large")) == [
        f"{SENTENCE}lock (TypeError), big (too large)."
    ]
    assert changes_text(execution("n", lock="TypeError"))[-1] == f"{SENTENCE}lock (TypeError)."
    assert changes_html(execution()) == ""
    for found in (execution(lock="<b>"), execution("n", lock="<b>")):
        assert f"{SENTENCE}lock (&lt;b&gt;)." in changes_html(found)


def test_many_that_could_not_be_compared_are_counted() -> None:
    unread = {f"v{at}": "too large" for at in range(25)}
    (line,) = changes_text(execution(**unread))
    assert line.endswith("v19 (too large) and 5 more names.")
