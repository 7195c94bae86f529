"""Archived months as Parquet files, one a month and table: `decisions/month=2026-01/decisions.parquet`.

A file is always written anew, aside and then moved into its place; its rows are in the order of their leaves in the
audit chain. What may be archived, and deleting it from the database, is `archiving`'s.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairstall.model.errors import FairstallError, SetupError
from fairstall.records.archive_tables import (
    DECISIONS,
    FINDINGS,
    REVIEWS,
    SCORES,
    SEALED,
    ArchiveTable,
    Values,
    finding_rows,
    load_pyarrow,
    score_rows,
)
from fairstall.records.leaves import Kind

ROWS_A_GROUP = 10_000
ROWS_AT_ONCE = 500
TABLES = (DECISIONS, REVIEWS, SCORES, FINDINGS)


class ArchiveDamaged(FairstallError):
    """A file of the archive does not hold what it should; nothing was deleted."""


class Archive:
    """The archive in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, month: str, table: ArchiveTable) -> Path:
        return self.folder / table.name / f"month={month}" / f"{table.name}.parquet"

    def months(self) -> list[str]:
        """The months that have a folder here."""
        folders = {folder.name for table in TABLES for folder in (self.folder / table.name).glob("month=*")}
        return sorted(name.removeprefix("month=") for name in folders)

    def need(self, months: Iterable[str]) -> None:
        """Raises SetupError when a month is not here."""
        for month in months:
            for table in TABLES:
                if not self.file(month, table).is_file():
                    raise SetupError(f"{self.file(month, table)} is missing: name the archive's folder with --archive")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes or verifies files while this lasts; the folder is made where there is none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _lock(self.folder, fcntl.LOCK_EX):
            yield

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nobody writes files while this lasts."""
        if not self.folder.is_dir():
            yield
            return
        with _lock(self.folder, fcntl.LOCK_SH):
            yield

    def ids(self, month: str, table: ArchiveTable) -> Iterator[str]:
        """The ids of the rows of a file, in their order."""
        with load_pyarrow().parquet.ParquetFile(self.file(month, table)) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[table.key]):
                yield from batch.column(0).to_pylist()

    def rows(self, month: str, table: ArchiveTable, *, arriving: bool = False) -> Iterator[Values]:
        """The rows of a file with the database's values, none where there is no file.

        `arriving`: of one that was staged.
        """
        path = _arriving(self.file(month, table)) if arriving else self.file(month, table)
        if not path.is_file():
            return
        arrow = load_pyarrow()
        with arrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                yield from map(table.read, batch.to_pylist())

    def find(self, month: str, table: ArchiveTable, column: str, values: Sequence[str]) -> list[str]:
        """The ids of the rows of a file whose `column` is one of `values`."""
        arrow = load_pyarrow()
        path, key = self.file(month, table), table.key
        if not values or not path.is_file():
            return []
        found = arrow.parquet.read_table(path, columns=[key], filters=[(column, "in", list(values))], partitioning=None)
        ids: list[str] = found.column(key).to_pylist()
        return ids

    def stage(self, month: str, decisions: Iterable[Mapping[str, Any]], reviews: Iterable[Mapping[str, Any]]) -> None:
        """Write the files of a month beside their places. Scores and findings follow from the decisions."""
        with self._writer(month, SCORES) as scores, self._writer(month, FINDINGS) as found:

            def told(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
                for row in rows:
                    scores.add(score_rows(row))
                    found.add(finding_rows(row))
                    yield row

            self.stage_one(month, DECISIONS, told(decisions))
        self.stage_one(month, REVIEWS, reviews)

    def stage_one(self, month: str, table: ArchiveTable, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write one file beside its place."""
        with self._writer(month, table) as writer:
            writer.add(rows)

    def publish(self, month: str, tables: Sequence[ArchiveTable] = TABLES) -> None:
        """Move files that were staged into their places."""
        for table in tables:
            path = self.file(month, table)
            _arriving(path).replace(path)
            for folder in (path.parent, path.parent.parent, self.folder):
                _flush(folder)

    def _writer(self, month: str, table: ArchiveTable) -> "_Writer":
        return _Writer(self.file(month, table), table)

    def reader(self) -> "ArchiveReader":
        return ArchiveReader(self)


class ArchiveReader:
    """Hands out archived rows in the order of their leaves; each file is gone through once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._rows: dict[tuple[str, Kind], Iterator[Values]] = {}
        self._passed_over: list[tuple[str, str]] = []

    def take(self, month: str, kind: Kind, row_id: str) -> Mapping[str, Any] | None:
        """The row, None when it does not come any more. Raises SetupError when the month is not here."""
        if (month, kind) not in self._rows:
            self._archive.need([month])
            self._begin(month)
        for row in self._rows[month, kind]:
            if row[f"{kind}_id"] == row_id:
                return row | ({"body": row["listing"]} if kind is Kind.DECISION else {})
            self._passed_over.append((month, row[f"{kind}_id"]))
        return None

    def left_over(self) -> Iterator[tuple[str, str]]:
        """Month and id of every row that was not handed out, also of months that nobody asked for."""
        yield from self._passed_over
        for month in self._archive.months():
            self._begin(month)
        for (month, kind), rows in self._rows.items():
            yield from ((month, row[f"{kind}_id"]) for row in rows)

    def _begin(self, month: str) -> None:
        for kind, table in SEALED.items():
            self._rows.setdefault((month, kind), self._archive.rows(month, table))


class _Writer:
    """One file in the making: rows are gathered into groups, and on disk when it is closed."""

    def __init__(self, path: Path, table: ArchiveTable) -> None:
        self._path, self._table = _arriving(path), table
        self._group: list[Values] = []
        self._count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._arrow = load_pyarrow()
        self._schema = table.schema()
        self._file = self._arrow.parquet.ParquetWriter(self._path, self._schema, compression="zstd")

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            self._write()
        self._file.close()
        _flush(self._path)
        if failed is None and self._arrow.parquet.read_metadata(self._path).num_rows != self._count:
            raise ArchiveDamaged(f"{self._path} does not have the {self._count} rows that were written")

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self._group.append(self._table.stored(row))
            if len(self._group) >= ROWS_A_GROUP:
                self._write()

    def _write(self) -> None:
        if self._group:
            self._file.write_table(self._arrow.Table.from_pylist(self._group, schema=self._schema))
            self._count += len(self._group)
        self._group = []


def _arriving(path: Path) -> Path:
    """Readers of a partition pass over names that begin with a dot."""
    return path.with_name(f".{path.name}.arriving")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _lock(folder: Path, kind: int) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)
