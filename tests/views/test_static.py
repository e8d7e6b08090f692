from __future__ import annotations

import copy
import dataclasses
import html.parser
import itertools
import re

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbconvert import HTMLExporter

from codesteer_jupyter.steering.trajectory import (
    Answer,
    Checks,
    ErrorInfo,
    Execution,
    ExecutionError,
    Guidance,
    Round,
    SelfAnswerReport,
    Stop,
    SymbolicReport,
    Trajectory,
    Verification,
)
from codesteer_jupyter.views.sanitise import FIGURE
from codesteer_jupyter.views.static import RUN_MIME, bundle, bundle_size, strip
from codesteer_jupyter.views.style import COLOURS

from . import runs

STATES = runs.states()

# What JupyterLab lets through in an untrusted notebook (packages/apputils/src/sanitizer.ts),
# as far as it is used here.
TAGS = {
    *("a", "blockquote", "br", "code", "details", "div", "em", "hr", "img", "li", "ol", "p", "pre"),
    *("s", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "b"),
    *("i", "u", "del", "h1", "h2", "h3", "h4", "h5", "h6", "sub", "sup"),
}
ATTRIBUTES = {
    **{tag: {"style", "title"} for tag in TAGS},
    "a": {"href", "rel", "style", "title"},
    "details": {"open", "style"},
    "img": {"src", "alt", "title", "style"},
    "ol": {"start", "style"},
    "td": {"style", "align", "colspan", "rowspan", "valign", "scope"},
    "th": {"style", "align", "colspan", "rowspan", "valign", "scope"},
}
_LENGTH = r"(0|[+-]?([0-9]*[.])?[0-9]+(px|em|rem|%))"
_COLOUR = (
    r"(#[0-9a-f]+|transparent|rgba\(\d{1,3},\s*\d{1,3},\s*\d{1,3},\s*(1([.]0+)?|0([.][0-9]+)?)\))"
)
_BORDER = rf"(({_LENGTH}|solid|none|{_COLOUR})\s*){{1,3}}"
_SPACE = rf"(({_LENGTH}|auto)\s*){{1,4}}"
VALUES = {
    "background-color": _COLOUR,
    "border": _BORDER,
    "border-bottom": _BORDER,
    "border-left": _BORDER,
    "border-collapse": "collapse|separate",
    "border-radius": _SPACE,
    "color": _COLOUR,
    "cursor": "pointer",
    "display": "inline-block",
    "font-family": r"[a-zA-Z-]+(\s*, [a-zA-Z-]+)*",
    "font-size": _LENGTH,
    "font-style": "italic",
    "font-weight": r"[1-9]00",
    "height": "auto",
    "letter-spacing": _LENGTH,
    "line-height": r"[0-9.]+",
    "list-style": "none",
    "margin": _SPACE,
    "max-height": _LENGTH,
    "max-width": _LENGTH,
    "opacity": r"0([.][0-9]+)?|1",
    "overflow": "auto",
    "overflow-wrap": "normal|break-word",
    "overflow-x": "auto",
    "padding": _SPACE,
    "padding-left": _LENGTH,
    "text-align": "left|right|center|justify",
    "vertical-align": "top|middle",
    "word-break": "normal",
    "white-space": "normal|pre|nowrap|pre-wrap|pre-line",
}


class Page(html.parser.HTMLParser):
    """Every tag with its attributes, the text, and how deep folds are nested."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("br", "img", "hr", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_survives_jupyterlab(markup: str) -> Page:
    page = Page(markup)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in TAGS, tag
        assert set(attributes) <= ATTRIBUTES[tag], (tag, attributes)
        for declaration in filter(None, (attributes.get("style") or "").split(";")):
            name, _, value = declaration.partition(":")
            assert re.fullmatch(VALUES[name.strip()], value.strip(), re.I), declaration
        for name in ("href", "src"):
            value = attributes.get(name)
            if value is not None:
                assert re.match(r"(https?://|mailto:|data:image/(png|jpeg);base64,)", value), value
    return page


@pytest.mark.parametrize("state", STATES)
def test_every_state_makes_a_page_that_survives_the_sanitiser(state: str) -> None:
    made = bundle(STATES[state])
    page = assert_survives_jupyterlab(made["text/html"])
    folds = [attributes for tag, attributes in page.tags if tag == "details"]
    assert len(folds) >= len(STATES[state].all_rounds)
    for number in range(1, len(STATES[state].all_rounds) + 1):
        assert f"Round {number}" in page.text
    assert made["text/plain"].strip()
    assert made["text/markdown"].strip()
    assert Trajectory.from_dict(made[RUN_MIME]).id == STATES[state].id
    assert bundle_size(made) <= 64 * 1024


def test_answer_and_badge_come_first_and_say_no_more_than_the_level() -> None:
    for level, word in (
        ("agreed", "✓ agreed"),
        ("checked", "✓ checked"),
        ("unchecked", "○ unchecked"),
        ("refuted", "✕ refuted"),
    ):
        run = dataclasses.replace(
            STATES["finished"], verification=Verification(level, "because of this")
        )
        made = bundle(run)
        text = Page(made["text/html"]).text
        assert text.startswith(f"4{word}because of this")
        assert made["text/plain"].startswith(f"4\n{word}: because of this")
        assert word in made["text/markdown"]
    bare = dataclasses.replace(STATES["finished"], verification=Verification("unchecked"))
    assert "nothing has confirmed this answer" in bundle(bare)["text/plain"]


def test_only_the_answers_round_is_open() -> None:
    page = Page(bundle(dataclasses.replace(STATES["finished"], answer_round=2))["text/html"])
    rounds = [
        a for tag, a in page.tags if tag == "details" and "border-bottom" in (a["style"] or "")
    ]
    assert ["open" in a for a in rounds] == [False, True, False]


def test_a_round_shows_guidance_answer_output_checks_and_cost() -> None:
    text = Page(bundle(STATES["finished"])["text/html"]).text
    for expected in (
        "Guidance by rules: code · search",
        "why: IndexError at `values[9]`",
        "Guidance by rules: text 0.58",
        "text 0.58 · code 0.42",
        "this code was run",
        "IndexError: list index out of range",
        "boards tried: 720",
        "symbolic checker: computes enough: score 6",
        "self-answer checker: incorrect: a full search finds 4",
        "refused 5 of 5 altered answers",
        "totals reconcile",
        "412 prompt + 96 completion tokens, as the model reported",
        "asked again after 2 s",
        "list of 6 lists of 6 int",
    ):
        assert expected in text


def test_code_outside_a_fence_is_still_shown() -> None:
    run = dataclasses.replace(
        STATES["finished"],
        rounds=(Round("a", Guidance("code"), Answer("see above", code="print(41 + 1)")),),
        answer_round=1,
    )
    text = Page(bundle(run)["text/html"]).text
    assert "print(41 + 1)" in text
    assert "the code was not run" in text


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "<a href='javascript:alert(1)'>x</a>",
    "![x](http://127.0.0.1/beacon.png)",
    "</pre></div></details><style>*{display:none}</style>",
    '" onmouseover="alert(1)',
    "<svg onload=alert(1)>",
    "```html\n<iframe src='data:text/html,x'></iframe>\n```",
    "\x1b]8;;http://evil\x07link\x1b]8;;\x07",
    "\u202e\u2066txt.exe",
    "<!-- -->&lt;script&gt;",
    "<div style='position:fixed;inset:0'>✓ agreed</div>",
    "<math><mtext></mtext><mglyph><style></math><img src onerror=alert(1)>",
)
untrusted = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.tuples(st.sampled_from(HOSTILE), st.text(max_size=20)).map("".join),
)


def hostile_run(text: str) -> Trajectory:
    execution = Execution(
        "error",
        text,
        text,
        ({"output_type": "display_data", "data": {"text/html": text, "text/plain": text}},
         {"output_type": "display_data", "data": {"text/markdown": text}},
         {"output_type": "display_data", "data": {"image/svg+xml": text, "image/png": text}}),
        ExecutionError(text, text, text),
        executor=text,
        changes=({"name": text},),
    )  # fmt: skip
    one = Round(
        "a",
        Guidance("code", text, raw=text, reason=text, probabilities={text: 1.0}),
        Answer(text, text, text, text, "text", text),
        execution,
        Checks(
            SymbolicReport(0, 0, False, (text,)),
            SelfAnswerReport("incorrect", text, text, execution),
            {text: {"findings": [text, {"message": text}]}, "data": {"data": text}},
        ),
    )
    return dataclasses.replace(
        runs.header(id=text or "x", question=text, model=text, guide=text),
        rounds=(one,),
        status="failed",
        answer=text,
        answer_round=1,
        verification=Verification("refuted", text),
        stop=Stop("error", reason=text),
        error=ErrorInfo("x", text),
        notices=({"kind": "x", "message": text, "round": 1}, {"message": text, "round": None}),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(untrusted)
def test_nothing_untrusted_becomes_markup(text: str) -> None:
    made = bundle(hostile_run(text))
    page = assert_survives_jupyterlab(made["text/html"])
    assert not any(a.get("src", "").startswith("http") for _, a in page.tags if a.get("src"))
    for part in ("text/html", "text/markdown", "text/plain"):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069]", made[part])


@settings(max_examples=40, deadline=None)
@given(untrusted)
def test_markdown_of_hostile_text_holds_no_html(text: str) -> None:
    from markdown_it import MarkdownIt

    markup = MarkdownIt("commonmark").render(bundle(hostile_run(text))["text/markdown"])
    page = Page(markup)
    assert {tag for tag, _ in page.tags} <= {"p", "strong", "code", "pre", "ul", "li"}


def test_hostile_examples_are_shown_as_text() -> None:
    for text in HOSTILE[:4]:
        page = assert_survives_jupyterlab(bundle(hostile_run(text))["text/html"])
        assert "alert(1)" in page.text


def test_tables_of_generated_code_keep_their_shape() -> None:
    page = Page(bundle(STATES["finished"])["text/html"])
    assert sum(tag == "th" for tag, _ in page.tags) == 5


def with_pictures(*pictures: str) -> Trajectory:
    run = STATES["finished"]
    outputs = tuple(
        {"output_type": "display_data", "data": {"image/png": p, "image/svg+xml": "<svg/>"}}
        for p in pictures
    )
    one = dataclasses.replace(run.rounds[2], execution=Execution("ok", outputs=outputs))
    return dataclasses.replace(run, rounds=(*run.rounds[:2], one))


def test_a_figure_is_stored_once() -> None:
    first, second = runs.png(seed=1), runs.png(seed=2)
    made = bundle(with_pictures(first, second, first))
    assert str(made).count(first) == 1
    assert str(made).count(second) == 1
    assert "same as figure 1" in made["text/html"]
    names = [a["title"] for tag, a in Page(made["text/html"]).tags if tag == "img"]
    outputs = made[RUN_MIME]["rounds"][2]["execution"]["outputs"]
    kept = [o["data"]["image/png"] for o in outputs]
    assert kept == [names[0], names[1], names[0]]
    assert all(name.startswith(FIGURE) for name in kept)


def test_a_large_figure_stays_in_the_journal() -> None:
    made = bundle(with_pictures(runs.png(300, 200)))
    assert bundle_size(made) <= 64 * 1024
    assert "<img" not in made["text/html"]
    assert "kept in the journal" in made["text/html"]
    assert "<img" in bundle(with_pictures(runs.png(300, 200)), inline_limit=None)["text/html"]


@pytest.mark.parametrize("store", ["full", "summary", "id"])
@pytest.mark.parametrize(
    "long", ["x" * 200_000, "a line of output\n" * 12_000, "<&\u202e>" * 50_000]
)
def test_long_texts_stay_within_the_limit(store: str, long: str) -> None:
    run = dataclasses.replace(hostile_run(long), id="r-1")
    made = bundle(run, store)  # type: ignore[arg-type]  # parametrised literal
    assert bundle_size(made) <= 64 * 1024
    assert_survives_jupyterlab(made["text/html"])
    assert "%codesteer show r-1" in made["text/html"]
    assert "%codesteer show r-1" in made["text/plain"]


def test_a_shortened_record_says_so_and_still_reads() -> None:
    summary = bundle(STATES["finished"], "summary")[RUN_MIME]
    assert summary["stored"]["form"] == "summary"
    assert len(Trajectory.from_dict(summary).rounds) == 3
    only = bundle(STATES["finished"], "id")
    assert only[RUN_MIME]["stored"] == {
        "form": "id",
        "rest": "%codesteer show r-20261121-7f3a",
        "rounds": 3,
        "answer_round": 3,
    }
    assert Trajectory.from_dict(only[RUN_MIME]).answer == "4"
    assert bundle(runs.finished())[RUN_MIME] == runs.finished().to_dict()


def notebook(made: dict[str, object]) -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("display_data", copy.deepcopy(made))
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("%%codesteer\nhow many?", outputs=[output])]
    )


def test_nbconvert_shows_foldable_rounds() -> None:
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(
        notebook(bundle(STATES["finished"]))
    )
    assert page.count("<details") >= 3
    assert "Round 3" in page
    nbformat.validate(notebook(bundle(STATES["finished"])))


def test_strip_takes_the_record_and_keeps_the_text() -> None:
    made = bundle(STATES["finished"])
    given = notebook(made)
    given.metadata["codesteer"] = {"run": made[RUN_MIME]}
    before = copy.deepcopy(given)
    stripped, removed = strip(given)
    assert removed == 2
    assert given == before
    assert set(stripped.cells[0].outputs[0].data) == {"text/markdown", "text/plain"}
    assert "codesteer" not in stripped.metadata
    nbformat.validate(stripped)
    assert strip(stripped)[1] == 0


def test_colours_can_be_read_on_white_and_on_black() -> None:
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, colour in COLOURS.items():
        own = luminance(colour)
        for ground in (0.0, 1.0):
            low, high = sorted((own, ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_states_cover_what_they_claim() -> None:
    assert {run.status for run in STATES.values()} == {
        "answered",
        "failed",
        "interrupted",
        "unanswered",
    }
    assert any(run.unfinished is not None for run in STATES.values())
    assert all(itertools.starmap(lambda _, run: run.id, STATES.items()))
