"""Parquet: row groups of some thousand rows, with the feed cursor of the export in the file's metadata.

A Parquet file without its last bytes cannot be read, so an incomplete export is not mistaken for a complete one.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from uriba.exports.columns import CellRow, Column, ColumnType

ROW_GROUP_ROWS = 20_000
"""The rows of a row group. At most this many rows and one page are in memory."""

_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    # Holds a bigint of minor units, of currencies with up to four decimals.
    ColumnType.AMOUNT: pa.decimal128(24, 4),
    ColumnType.RATE: pa.decimal128(7, 6),
    ColumnType.TIME: pa.timestamp("us", tz="UTC"),
}


class ParquetWriter:
    """Writes an export as Parquet, chunk by chunk. A chunk is empty until a row group is complete."""

    def __init__(self, columns: Sequence[Column], metadata: Mapping[str, str]) -> None:
        fields = [pa.field(column.name, _TYPES[column.type]) for column in columns]
        self._schema = pa.schema(fields, metadata=dict(metadata))
        self._output = _OutputBuffer()
        self._writer = pq.ParquetWriter(self._output, self._schema, compression="zstd")
        self._pending: list[pa.RecordBatch] = []

    def begin(self) -> bytes:
        """Return the start of the file."""
        return self._output.take()

    def add(self, rows: Sequence[CellRow]) -> bytes:
        """Add rows; return a row group if one is complete, else nothing."""
        columns = zip(*rows, strict=True)
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._pending.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._pending) >= ROW_GROUP_ROWS:
            self._write_row_group()
        return self._output.take()

    def end(self) -> bytes:
        """Return the last row group and the end of the file."""
        self._write_row_group()
        self._writer.close()
        return self._output.take()

    def _write_row_group(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending, self._schema))
            self._pending.clear()


class _OutputBuffer(io.RawIOBase):
    """The bytes that were written and not yet taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        self._pieces.append(bytes(piece))  # type: ignore[call-overload]
        self._written += len(self._pieces[-1])
        return len(self._pieces[-1])

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        """Return the bytes and forget them."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
