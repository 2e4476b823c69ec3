"""Parquet: row groups of some thousand rows, and where in the event feed the export stands as metadata of the file.

Without its last bytes a Parquet file cannot be read: half an export is none.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from uriba.exports.columns import CellRow, Column, ColumnType

ROW_GROUP_ROWS = 20_000
"""Rows of a row group: what is waiting to be written is never more than this and a page."""

# A bigint of minor units with no decimals, and up to four for currencies that have as many.
_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.AMOUNT: pa.decimal128(24, 4),
    ColumnType.RATE: pa.decimal128(7, 6),
    ColumnType.MOMENT: pa.timestamp("us", tz="UTC"),
}


class ParquetWriter:
    """An export as Parquet, piece by piece: a piece may be empty while its row group is gathered."""

    def __init__(self, columns: Sequence[Column], metadata: Mapping[str, str]) -> None:
        fields = [pa.field(column.name, _TYPES[column.kind]) for column in columns]
        self._schema = pa.schema(fields, metadata=dict(metadata))
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def begin(self) -> bytes:
        return self._sink.taken()

    def add(self, rows: Sequence[CellRow]) -> bytes:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP_ROWS:
            self._write_group()
        return self._sink.taken()

    def end(self) -> bytes:
        self._write_group()
        self._writer.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
            self._waiting.clear()


class _Sink(io.RawIOBase):
    """What was written and not yet handed on."""

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

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
