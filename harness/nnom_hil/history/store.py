"""The table of runs, in SQLite: kept in step with the records of a folder, asked by a filter.

Nothing is in it that the records do not have, so that it can be made again. A run whose folder was
removed stays until it is.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from nnom_hil.errors import StoreError, UsageError
from nnom_hil.history.columns import COLUMNS, values_of
from nnom_hil.record_files import RECORD_FILE, load_record

__all__ = ["Filter", "History", "Synced", "since"]

_APPLICATION: Final = 0x6E68696C  # "nhil", in the file's head
_WAIT_S: Final = 30.0
_AT_ONCE: Final = 100  # records between two commits: nobody waits for more
_SQL: Final = {str: "TEXT", int: "INTEGER", float: "REAL", bool: "INTEGER"}
_AGAIN: Final = "make it again from the records: nnom-hil history rebuild"
_LARGEST: Final = (1 << 63) - 1  # that a cell holds
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _quoted(name: str) -> str:
    return f'"{name}"'


_NAMES: Final = ", ".join(_quoted(column.name) for column in COLUMNS)
_CELLS: Final = {
    "folder": "TEXT",
    "stamp": "INTEGER",
    "unread": "TEXT",
    **{column.name: _SQL[column.kind] for column in COLUMNS},
}
"""The table's columns: the folder, what tells a record that was written again, why it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which runs are wanted; None is any. board, model, compiler, library: * and ? stand for
    letters, and compiler and library may be a part. commit: how it begins. kernels: a form that
    ran. source: of time. since, until: as started is, in UTC. exact: model and board are whole
    names.
    """

    model: str | None = None
    board: str | None = None
    commit: str | None = None
    verdict: str | None = None
    kernels: str | None = None
    compiler: str | None = None
    library: str | None = None
    source: str | None = None
    since: str | None = None
    until: str | None = None
    exact: bool = False

    @property
    def sql(self) -> tuple[str, list[str]]:
        """The condition and its values."""
        same = "=" if self.exact else "GLOB"
        conditions = {
            "model": f"model {same} ?",
            "board": f"board {same} ?",
            "commit": "\"commit\" GLOB ? || '*'",
            "verdict": "verdict = ?",
            "kernels": "' ' || kernels || ' ' GLOB '* ' || ? || ' *'",
            "compiler": "compiler GLOB '*' || ? || '*'",
            "library": "library GLOB '*' || ? || '*'",
            "source": "time_source = ?",
            "since": "started >= ?",
            "until": "started < ?",
        }
        given = {name: value for name in conditions if (value := getattr(self, name)) is not None}
        values = [
            value.replace("[", "[[]") if "GLOB" in conditions[name] else value
            for name, value in given.items()
        ]  # no sets of letters: names have brackets
        return " AND ".join(conditions[name] for name in given) or "1", values


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What became of the records of a folder. unread: those that are none; why: of the first."""

    added: int = 0
    dropped: int = 0
    unread: int = 0
    why: str = ""


def since(text: str, now: datetime | None = None) -> str:
    """Return the time of "2026-11-01", "2026-11-01T12:30" (UTC) or "7d" ago, as started has it.

    Raises UsageError for anything else.
    """
    now = now or datetime.now(UTC)
    try:
        if ago := re.fullmatch(r"(\d{1,6})([mhdw])", text):
            then = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
        return then.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError) as exc:
        raise UsageError(
            f"{text!r} is no time: 2026-11-01, 2026-11-01T12:30 (UTC), or 30m, 12h, 7d, 2w ago"
        ) from exc


class History:
    """An open table. file: None is one in memory. One that cannot be written can still be asked.

    Methods raise StoreError where it cannot be written to, and UsageError where it is none.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._where = str(file) if file is not None else "the table of runs"
        with self._told():
            self._table = self._connect(file)

    def _connect(self, file: Path | None) -> sqlite3.Connection:
        place = ":memory:" if file is None else file
        table = sqlite3.connect(place, timeout=_WAIT_S, isolation_level=None)
        try:
            self._make(table)
        except BaseException:
            table.close()
            raise
        return table

    def _make(self, table: sqlite3.Connection) -> None:
        """Make the table, or give one of an earlier version the columns that came since.

        Several processes may want to at once. Raises UsageError for one that is none of ours.
        """
        if not self._lacks(table):
            return
        table.execute("BEGIN IMMEDIATE")
        try:
            lacking = self._lacks(table)  # another may have been quicker
            if len(lacking) == len(_CELLS):
                columns = ", ".join(f"{_quoted(name)} {kind}" for name, kind in _CELLS.items())
                table.execute(f"CREATE TABLE runs ({columns}, PRIMARY KEY (folder)) WITHOUT ROWID")
                table.execute("CREATE INDEX by_start ON runs (started)")
                table.execute("CREATE INDEX by_place ON runs (board, model, started)")
                table.execute(f"PRAGMA application_id = {_APPLICATION}")
            elif lacking:
                for name in lacking:
                    table.execute(f"ALTER TABLE runs ADD COLUMN {_quoted(name)} {_CELLS[name]}")
                table.execute("UPDATE runs SET stamp = 0")  # so that records are read again
            table.execute("COMMIT")
        except BaseException:
            if table.in_transaction:
                table.execute("ROLLBACK")
            raise

    def _lacks(self, table: sqlite3.Connection) -> list[str]:
        """Return the columns that are not there; raises UsageError for a table of others."""
        application = table.execute("PRAGMA application_id").fetchone()[0]
        columns = {row[1] for row in table.execute("PRAGMA table_info(runs)")}
        if application == 0 and not table.execute("SELECT 1 FROM sqlite_master").fetchone():
            return list(_CELLS)
        whose = "another database" if application != _APPLICATION else "a newer one's"
        if application != _APPLICATION or not columns or columns - _CELLS.keys():
            raise UsageError(f"{self._where}: not the history of this nnom-hil: {whose}; {_AGAIN}")
        return [name for name in _CELLS if name not in columns]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as exc:  # full disk, no permission, others too long at it
            raise StoreError(f"{self._where}: cannot keep the history: {exc}") from exc
        except sqlite3.DatabaseError as exc:
            raise UsageError(f"{self._where}: not a history: {exc}; {_AGAIN}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; twice is fine."""
        self._table.close()

    # ---- in step with the records

    def add(self, folder: Path) -> None:
        """Take up the record of a run's folder, or what it is now."""
        with self._told():
            self._write([self._row(folder)])

    def sync(self, runs: Path, *, anew: bool = False) -> Synced:
        """Take up the records of a folder of runs that are not as they were.

        anew: all of them, and drop runs that are gone.
        """
        with self._told():
            known = dict(self._table.execute("SELECT folder, stamp FROM runs"))
            found = _stamps(runs)
            changed = [name for name in found if anew or known.get(name) != found[name]]
            added = 0
            rows = (self._row(runs / name) for name in sorted(changed))
            while batch := list(islice(rows, _AT_ONCE)):
                self._write(batch)
                added += sum(row[2] is None for row in batch)
            gone = sorted(set(known) - set(found)) if anew else []
            if gone:
                with self._transaction():
                    names = [(name,) for name in gone]
                    self._table.executemany("DELETE FROM runs WHERE folder = ?", names)
            unread, why = self._table.execute(
                "SELECT count(*), min(unread) FROM runs WHERE unread IS NOT NULL"
            ).fetchone()
        return Synced(added=added, dropped=len(gone), unread=unread, why=why or "")

    def _row(self, folder: Path) -> tuple[Any, ...]:
        """Return a row: of what is no record, why."""
        stamp = _stamp(f"{folder}/{RECORD_FILE}")
        try:
            values = [_cell(value) for value in values_of(load_record(folder))]
        except UsageError as exc:
            return folder.name, stamp, str(exc), *(None for _ in COLUMNS)
        return folder.name, stamp, None, *values

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        names, places = ", ".join(map(_quoted, _CELLS)), ", ".join("?" * len(_CELLS))
        with self._transaction():
            self._table.executemany(
                f"INSERT OR REPLACE INTO runs ({names}) VALUES ({places})", rows
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._table.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._table.execute("COMMIT")
        except BaseException:
            if self._table.in_transaction:
                self._table.execute("ROLLBACK")
            raise

    # ---- asking

    def count(self, wanted: Filter | None = None) -> int:
        """Return how many runs there are."""
        where, values = (wanted or Filter()).sql
        with self._told():
            query = f"SELECT count(*) FROM runs WHERE unread IS NULL AND {where}"
            return int(self._table.execute(query, values).fetchone()[0])

    def rows(
        self, wanted: Filter | None = None, *, newest: int | None = None, forward: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield runs by column, the newest first, or forward in time; of many the `newest` ones.

        Each has its folder's name, too.
        """
        where, values = (wanted or Filter()).sql
        query = (
            f"SELECT folder, {_NAMES} FROM runs WHERE unread IS NULL AND {where} "
            "ORDER BY started DESC, folder DESC LIMIT ?"
        )
        if forward:
            query = f"SELECT * FROM ({query}) ORDER BY started, folder"
        names = ["folder", *(column.name for column in COLUMNS)]
        whether = [column.name for column in COLUMNS if column.kind is bool]
        with self._told(), closing(self._table.execute(query, [*values, newest or -1])) as cursor:
            for found in cursor:
                row = dict(zip(names, found, strict=True))
                row |= {name: bool(row[name]) for name in whether if row[name] is not None}
                yield row

    def places(self, wanted: Filter | None = None) -> list[tuple[str, str]]:
        """Return each board and model that there are runs of, by name."""
        where, values = (wanted or Filter()).sql
        query = (
            f"SELECT DISTINCT board, model FROM runs WHERE unread IS NULL AND {where} "
            "ORDER BY board, model"
        )
        with self._told():
            return list(self._table.execute(query, values))


def _cell(value: Any) -> Any:
    """Return a value as a cell holds it; of a number beyond all bounds what is nearest."""
    if isinstance(value, int):
        return min(int(value), _LARGEST)
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _stamp(file: str) -> int:
    """Return a number that is another one when a record was written again; 0 for no file."""
    try:
        facts = os.stat(file)
    except OSError:
        return 0
    return (facts.st_mtime_ns ^ (facts.st_size << 40)) & _LARGEST


def _stamps(runs: Path) -> dict[str, int]:
    """Return the stamp of each folder that has a record."""
    try:
        with os.scandir(runs) as folders:
            names = [entry.name for entry in folders]
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise UsageError(f"{runs}: cannot look for runs: {exc.strerror}") from exc
    # plain strings: thousands of paths would take as long as all the rest of a query
    stamps = ((name, _stamp(f"{runs}/{name}/{RECORD_FILE}")) for name in names)
    return {name: stamp for name, stamp in stamps if stamp}
