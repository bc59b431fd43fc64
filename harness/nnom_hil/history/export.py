"""Runs as files for other programs: CSV, and Parquet where pyarrow is; a few rows in memory."""

import csv
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from nnom_hil.errors import UsageError
from nnom_hil.extras import need
from nnom_hil.files import writing_whole
from nnom_hil.history.columns import COLUMNS
from nnom_hil.text import sheet_cell

__all__ = ["export"]

_AT_ONCE: Final = 1000


def export(rows: Iterable[dict[str, Any]], file: Path) -> int:
    """Write rows of History to a .csv or .parquet file, whole; return how many there were.

    Raises UsageError for another ending, ToolError without pyarrow, StoreError.
    """
    writers = {".csv": _csv, ".parquet": _parquet}
    if (write := writers.get(file.suffix.lower())) is None:
        raise UsageError(f"{file}: ends in neither {' nor '.join(writers)}")
    return write(rows, file)


def _csv(rows: Iterable[dict[str, Any]], file: Path) -> int:
    count = 0
    with writing_whole(file) as binary:
        text = TextIOWrapper(binary, encoding="utf-8", newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow([column.name for column in COLUMNS])
        for row in rows:
            table.writerow([sheet_cell(row[column.name]) for column in COLUMNS])
            count += 1
        text.flush()
        text.detach()  # it is not ours to close
    return count


def _parquet(rows: Iterable[dict[str, Any]], file: Path) -> int:
    need("parquet", f"{file}: writing Parquet, unlike .csv,")
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(column.name, kinds[column.kind]) for column in COLUMNS])
    with writing_whole(file) as binary:
        return _write(rows, binary, schema, ParquetWriter)


def _write(rows: Iterable[dict[str, Any]], binary: BinaryIO, schema: Any, writer: Any) -> int:
    count = 0
    with writer(binary, schema) as table:
        for some in _batches(rows):
            table.write_batch(_batch(some, schema))
            count += len(some)
    return count


def _batch(rows: list[dict[str, Any]], schema: Any) -> Any:
    import pyarrow as pa

    columns = [
        pa.array([row[name] for row in rows], schema.field(name).type) for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    given = iter(rows)
    while some := list(islice(given, _AT_ONCE)):
        yield some
