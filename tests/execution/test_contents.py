"""Looks at values before and after a program: which changes in place are seen, and which are not
there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.execution.changes import Names, describe
from codesteer_jupyter.execution.contents import Contents

numpy = pytest.importorskip("numpy", reason="numpy is not installed (extra: test)")
pandas = pytest.importorskip("pandas", reason="pandas is not installed (extra: test)")

LARGE = 3_000_000  # elements of 8 bytes: more than is read


def after(value: Any, change: Callable[[Any], object]) -> str | None:
    """What is said of `value` once `change` was done to it; None: nothing."""
    names = Names({"value": value}, Contents(), ["value"])
    change(value)
    found = names.changes({"value": value})
    assert not names.unread
    return str(found[0].get("detail", "")) if found else None


def in_a_fork(do: Callable[[], Any]) -> Any:
    """What `do` returns in a process of its own, whose memory is a copy on write."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.write(write, json.dumps(do()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as end:
        answer = end.read()
    os.waitpid(process, 0)
    return json.loads(answer)


def put(place: Any, value: Any) -> Callable[[Any], None]:
    return lambda held: held.__setitem__(place, value)


def put_at(row: int, column: int, value: Any) -> Callable[[Any], None]:
    def change(frame: Any) -> None:
        frame.iloc[row, column] = value

    return change


def times(**options: Any) -> Any:
    return pandas.date_range("2024-01-01", periods=4, **options)


COLUMNS: Mapping[str, tuple[Any, Any]] = {
    "datetime": (times(), pandas.Timestamp("2020-02-02")),
    "time zone": (times(tz="Europe/Oslo"), pandas.Timestamp("2020-02-02", tz="Europe/Oslo")),
    "timedelta": (pandas.to_timedelta([1, 2, 3, 4], "D"), pandas.Timedelta(9, "D")),
    "period": (pandas.period_range("2024", periods=4, freq="M"), pandas.Period("2020-02", "M")),
    "categorical": (pandas.Categorical(list("abab")), "b"),
    "object": (numpy.array(["a", 1, None, 2.5], dtype=object), "z"),
    "text": (pandas.array(list("abcd"), dtype="string"), "z"),
    "masked": (pandas.array([1, 2, None, 4], dtype="Int64"), 9),
    "interval": (pandas.interval_range(0, 4), pandas.Interval(7, 8)),
    "sparse": (pandas.arrays.SparseArray([0.0, 0, 1, 0]), None),
    "float": (numpy.zeros(4), 1.0),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_kind_is_read(kind: str) -> None:
    column, other = COLUMNS[kind]
    frame = pandas.DataFrame({"c": column, "v": [1, 2, 3, 4]})
    assert after(frame, lambda frame: frame.describe()) is None
    assert after(frame, put("v", [9, 9, 9, 9])) == "column v"
    if other is not None:
        assert after(frame, put_at(0, 0, other)) == "column c"
        held = {"k": [frame["c"].copy()]}
        assert after(held, lambda held: held["k"][0].__setitem__(2, other)) is not None


@pytest.mark.parametrize("kind", ["int64", "string", "dictionary", "list"])
def test_a_column_of_arrow_is_read(kind: str) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra: test)")
    makes = {
        "int64": (arrow.int64(), [1, 2, None, 4]),
        "string": (arrow.string(), ["a", "b", None, "d"]),
        "dictionary": (arrow.dictionary(arrow.int32(), arrow.string()), ["a", "b", "a", "b"]),
        "list": (arrow.list_(arrow.int64()), [[1], [2, 3], None, [4]]),
    }
    type_, values = makes[kind]
    chunks = arrow.chunked_array([arrow.array(values, type_), arrow.array(values, type_)])
    column = pandas.Series(chunks, dtype=pandas.ArrowDtype(type_))
    frame = pandas.DataFrame({"c": column, "v": range(8)})
    assert after(frame, lambda frame: frame["c"].isna().sum()) is None
    assert after(frame, put("c", frame["c"].shift(1))) == "column c"


ARRAYS = {
    "dates": (numpy.array(["2024-01-01", "2024-01-02"], dtype="M8[D]"), numpy.datetime64("2000")),
    "spans": (numpy.array([1, 2], dtype="m8[s]"), numpy.timedelta64(9, "s")),
    "records": (numpy.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")]), (9, 9.0)),
    "text": (numpy.array(["ab", "cd"]), "z"),
    "apart": (numpy.zeros(40)[::2], 9),
    "turned": (numpy.zeros((4, 6)).T, 9),
    "cut": (numpy.zeros((4, 6), order="F")[1:], 9),
    "dates apart": (numpy.zeros(40, dtype="M8[s]")[::-2], numpy.datetime64("2000")),
    "one": (numpy.array(5, dtype="M8[s]"), numpy.datetime64("2000")),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_of_any_kind_is_read(kind: str) -> None:
    array, other = ARRAYS[kind]
    place = (-1,) * array.ndim
    assert after(array, put(place, array[place])) is None
    assert after(array.copy(), put(place, other)) == ""
    assert after(array, put(place, other)) == ""
    assert after({"deep": [array]}, lambda held: put(place, array[place])(held["deep"][0])) is None


def test_rearranged_values_are_seen() -> None:
    assert after(numpy.array([0, 1, 1, 0], dtype="u1"), put(slice(None), [1, 0, 0, 1])) == ""
    few = numpy.array([1, 1, 0, 0, 1, 0, 1, 0], dtype=bool)
    draw = numpy.random.default_rng(1)
    for _ in range(300):
        before = few.copy()
        other = draw.permutation(before)
        if (other != before).any():
            assert after(before, put(slice(None), other)) == ""
    assert after({"k": [0, 1, 1, 0]}, put("k", [1, 0, 0, 1])) == ""


def test_what_the_bytes_do_not_say_is_seen() -> None:
    frame = pandas.DataFrame(
        {"c": pandas.Categorical(list("abab")), "z": numpy.zeros(4, int), "t": times(tz="UTC")}
    )
    renamed = frame["c"].cat.rename_categories({"a": "x"})
    assert after(frame, put("c", renamed)) == "column c"
    assert after(frame, put("z", numpy.zeros(4))) == "column z"
    assert after(frame, put("t", frame["t"].dt.tz_convert("Asia/Tokyo"))) == "column t"
    order = "names or order of the columns"
    assert after(frame, lambda frame: frame.insert(2, "c", frame.pop("c"))) == order
    assert after(frame, lambda frame: frame.columns.set_names("n") is None) is None
    assert after(frame, lambda frame: frame.rename_axis(columns="n", inplace=True)) == order
    assert after(frame, lambda frame: frame.rename_axis("n", inplace=True)) == "index"
    square = numpy.arange(4).reshape(2, 2)
    assert after({"m": square}, lambda held: held.update(m=square.T)) == ""


def test_columns_of_one_name_are_told_apart() -> None:
    frame = pandas.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "b", "a"])
    for column in (0, 2):
        assert after(frame, put_at(0, column, 9)) == "column a"
    mixed = pandas.DataFrame([[1, 2], [3, 4]], columns=[1, "1"])
    assert after(mixed, put_at(0, 0, 9)) == "column 1"


def test_reading_a_frame_whose_blocks_are_arranged_anew_changes_nothing() -> None:
    frame = pandas.DataFrame({"a": [1, 2]})
    for name in "bcd":
        frame[name] = [3, 4]
    assert after({"frame": frame}, lambda held: held["frame"]._consolidate_inplace()) is None


def test_what_cannot_be_read_is_told_and_the_rest_is_compared() -> None:
    frame = pandas.DataFrame({"locks": [threading.Lock()], "n": [1]})
    lock = threading.Lock()
    space = {"frame": frame, "lock": lock, "n": [1]}
    names = Names(space, Contents(), space)
    assert names.changes(space) == ()
    assert names.unread == {"frame": "TypeError", "lock": "TypeError"}
    frame["n"] = [2]
    (found,) = names.changes(space)
    assert (found["name"], found["detail"]) == ("frame", "column n")
    assert names.unread == {"lock": "TypeError"}


def test_what_is_left_to_be_read_changes_no_verdict() -> None:
    """Of ten arrays not all may be read; when the first ones are gone, more could be."""
    arrays = {f"a{at}": numpy.zeros(15 * 2**17) for at in range(10)}

    def rounds() -> Any:
        space = dict(arrays)
        names = Names(space, Contents(), space)
        del space["a0"], space["a1"], space["a2"]
        return [item["name"] for item in names.changes(space)]

    assert in_a_fork(rounds) == ["a0", "a1", "a2"]


# -- pages ----------------------------------------------------------------------------------------


def found(names: Names, space: Mapping[str, Any]) -> list[Any]:
    return [[item["name"], item.get("detail", "")] for item in names.changes(space)]


def test_large_arrays_of_any_kind_are_looked_at_by_their_pages() -> None:
    table = numpy.zeros((LARGE // 8, 16))
    space = {
        "plain": numpy.ones(LARGE),
        "dates": numpy.ones(LARGE, dtype="M8[s]"),
        "apart": numpy.ones(2 * LARGE)[::2],
        "frame": pandas.DataFrame({"t": numpy.ones(LARGE, dtype="M8[ns]"), "n": [1] * LARGE}),
        "table": pandas.DataFrame(table, copy=False),
        "untouched": numpy.ones(LARGE),
    }

    def change() -> Any:
        names = Names(space, Contents(), space)
        for name in ("plain", "dates", "apart"):
            space[name][LARGE // 2] = 7
        space["frame"]["n"].sum(), space["untouched"].sum()
        space["frame"].loc[LARGE // 2, "t"] = pandas.Timestamp("2020")
        table[-1, 3] = 1
        return found(names, space)

    said = dict(in_a_fork(change))
    assert list(said) == ["apart", "dates", "frame", "plain", "table"]
    assert all("written" in said[name] for name in ("apart", "dates", "plain"))
    assert said["frame"].startswith("column t: ")
    assert "column n" not in said["frame"]


def test_a_file_that_is_only_read_was_not_written(tmp_path: Path) -> None:
    numpy.ones(LARGE).tofile(tmp_path / "numbers")
    maps = {mode: numpy.memmap(tmp_path / "numbers", dtype="f8", mode=mode) for mode in ("r", "c")}

    def change() -> Any:
        names = Names(maps, Contents(), maps)
        maps["r"].sum(), maps["c"].sum()
        read = found(names, maps)
        maps["c"][LARGE // 2] = 0
        return read, found(names, maps)

    read, written = in_a_fork(change)
    assert read == []
    assert [name for name, _ in written] == ["c"]
    assert written[0][1].startswith("1 of ")


def test_a_later_round_is_compared_with_its_own_beginning() -> None:
    space: dict[str, Any] = {"old": numpy.ones(LARGE)}

    def rounds() -> Any:
        contents = Contents()
        names = Names(space, contents, space)
        space["made"] = numpy.ones(LARGE)
        space["old"][: LARGE // 2] = 2
        told = [found(names, space)]
        for change in (None, ("made", 7), ("old", 7), ("old", LARGE - 9_000)):
            names = Names(space, contents, space)
            space["made"].sum(), space["old"].sum()
            if change is not None:
                space[change[0]][change[1]] = 5
            told.append(found(names, space))
        return told

    first, reading, made, before, beyond = in_a_fork(rounds)
    assert [name for name, _ in first] == ["made", "old"]
    assert reading == []
    assert made == [["made", ""]]
    assert before == [["old", ""]]
    assert beyond[0][0] == "old"
    assert beyond[0][1].startswith("1 of ")


# -- descriptions ---------------------------------------------------------------------------------


def test_what_python_refuses_to_write_out_is_described() -> None:
    long = 10**5_000
    assert describe([long]) == "list of 1"
    assert describe({long: 1}) == "dict of 1"
    assert describe(long).startswith("int of ")
    names = Names({"facts": [long]})
    assert [c["after"] for c in names.changes({"facts": [long]})] == ["list of 1"]
    assert names.changes({5: 1, "facts": 1})
