"""The journal alone: whatever happens to it, no answer comes out that was not written."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnom_hil.errors import UsageError
from nnom_hil.run.journal import Answer, Identity, Journal, read_journal

IDENTITY = Identity(model="ab", vectors="cd", image="ef")
ANSWERS = {
    vector: Answer(output=bytes([vector, 255 - vector]), status=-vector, ticks=vector * 7, line=0)
    for vector in (0, 3, 1, 11, 7, 100, 2, 5)
}


def written(path: Path, identity: Identity = IDENTITY) -> bytes:
    journal = Journal(path=path)
    lines = [journal.begin(identity)]
    lines += [journal.line(answer.entry(vector)) for vector, answer in ANSWERS.items()]
    return b"".join(lines)


def content(journal: Journal) -> dict[int, tuple[bytes, int, int]]:
    return {v: (a.output, a.status, a.ticks) for v, a in journal.answers.items()}


WHOLE = {v: (a.output, a.status, a.ticks) for v, a in ANSWERS.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_what_is_written_is_read_and_gone_on_with(file: Path) -> None:
    file.write_bytes(written(file))
    journal = read_journal(file)
    assert content(journal) == WHOLE
    assert journal.identity == IDENTITY
    assert not journal.damaged
    assert not journal.torn
    more = Answer(output=b"\1", status=0, ticks=1, line=0)
    with file.open("ab") as end:
        end.write(journal.line(more.entry(50)))
    again = read_journal(file)
    assert not again.damaged
    assert content(again) == {**WHOLE, 50: (b"\1", 0, 1)}
    assert again.answers[50].line == 10


edits = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 40), st.binary(max_size=12)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(edits=edits)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_edit_of_bytes_gives_an_answer_that_was_not_written(
    edits: list[tuple[int, int, bytes]], file: Path
) -> None:
    data = written(file)
    for start, length, other in edits:
        at = start % (len(data) + 1)
        data = data[:at] + other + data[at + length :]
    assert_nothing_new(file, data)


@given(order=st.lists(st.integers(0, len(ANSWERS)), max_size=20), ends=st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_order_of_lines_gives_an_answer_twice_or_wrong(
    order: list[int], ends: bool, file: Path
) -> None:
    lines = written(file).splitlines(keepends=True)
    data = b"".join(lines[i] for i in order)
    journal = assert_nothing_new(file, data if ends else data[:-1])
    if journal is not None and ends:
        assert (list(range(len(order))) == order) == (not journal.damaged)


def assert_nothing_new(file: Path, data: bytes) -> Journal | None:
    file.write_bytes(data)
    journal = None
    with contextlib.suppress(UsageError):
        journal = read_journal(file)
        assert content(journal).items() <= WHOLE.items()
        assert journal.identity in (None, IDENTITY)
        if journal.damaged or journal.torn:  # healed, it has the same and no damage
            before = content(journal)
            file.write_bytes(journal.rewritten())
            healed = read_journal(file)
            assert content(healed) == before
            assert not healed.damaged
            assert not healed.torn
    return journal


def test_lines_of_another_journal_are_none_of_this_one(file: Path) -> None:
    other = written(file, Identity(model="ab", vectors="other", image="ef"))
    lines = written(file).splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], *other.splitlines(keepends=True)[2:]]))
    journal = read_journal(file)
    assert len(journal.answers) == 1
    assert journal.damaged == list(range(3, 10))


def test_every_cut_keeps_what_was_whole(file: Path) -> None:
    data = written(file)
    for end in range(0, len(data), 3):
        file.write_bytes(data[:end])
        journal = read_journal(file)
        assert not journal.damaged
        assert len(journal.answers) == max(0, data[:end].count(b"\n") - 1)
        assert journal.torn == (end > 0 and data[end - 1] != ord("\n"))


def test_answers_that_the_run_cannot_have_are_refused_by_line(file: Path) -> None:
    file.write_bytes(written(file))
    journal = read_journal(file)
    journal.check_ranges(vectors=101, output_bytes=2)
    with pytest.raises(UsageError, match=rf"{file}:7: vector 100 of a run with 100"):
        journal.check_ranges(vectors=100, output_bytes=2)
    with pytest.raises(UsageError, match=rf"{file}:2: 2 bytes of output; the model gives 3"):
        journal.check_ranges(vectors=101, output_bytes=3)


def test_what_is_no_file_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(OSError, match="not a plain file"):
        read_journal(file)
