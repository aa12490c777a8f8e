"""The schema of `library.db`, as numbered steps. A step is never edited once released: a change is a new step at the end."""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

from wellread.errors import LibraryTooNew

_STEPS = (
    # 1: a library as of 0.1. Texts lie apart from documents so that listing documents reads no text.
    """
    create table meta (key text primary key, value) without rowid;
    insert into meta values ('change', 0), ('identity', lower(hex(randomblob(8))));
    create table documents (
        id text primary key, title text not null, media_type text not null, chars integer not null, warnings text not null,
        change integer not null
    );
    create table texts (document text primary key references documents on delete cascade, text text not null);
    create table pages (
        document text not null references documents on delete cascade, position integer not null, label text not null,
        start integer not null, end integer not null, width real, height real, primary key (document, position)
    ) without rowid;
    create table sections (
        document text not null references documents on delete cascade, position integer not null, level integer not null,
        title text not null, start integer not null, end integer not null, primary key (document, position)
    ) without rowid;
    create table sources (
        path text primary key, document text not null references documents on delete cascade, size integer not null,
        mtime_ns integer not null
    ) without rowid;
    create index sources_document on sources (document);
    create table roots (path text primary key) without rowid;
    create table failures (
        path text primary key, size integer not null, mtime_ns integer not null, reason text not null, message text not null, hint text
    ) without rowid;
    create table chunks (
        id integer primary key autoincrement, document text not null references documents on delete cascade,
        start integer not null, end integer not null, page integer, section integer, kind text not null, change integer not null
    );
    create index chunks_document on chunks (document);
    create index chunks_change on chunks (change);
    create table vectors (chunk integer primary key references chunks on delete cascade, data blob not null);
    create table removed (change integer not null, chunk integer not null);
    create index removed_change on removed (change);
    create table traces (id text primary key, at real not null, kind text not null, question text not null, data text not null);
    create index traces_at on traces (at);
    """,
    # 2: a library as of 0.2. Regions (tables, code, recognised lines), archives, web pages, what was removed by hand, which version of the
    # readers read a document or failed to, and a checksum of each text.
    """
    create table regions (
        document text not null references documents on delete cascade, position integer not null, start integer not null,
        end integer not null, kind text not null, left real, bottom real, right real, top real, primary key (document, position)
    ) without rowid;
    create table containers (path text primary key, digest text not null, size integer not null, mtime_ns integer not null) without rowid;
    create table excluded (path text primary key) without rowid;
    create table web (url text primary key, root text not null, etag text, modified text) without rowid;
    create index removed_chunk on removed (chunk);
    alter table documents add column reader text not null default '';
    alter table documents add column crc integer;
    alter table failures add column reader text not null default '';
    alter table texts add column crc integer;
    update texts set crc = crc32(text);
    """,
    # 3: a library as of 0.3, for filters. Which chunks a document has, so that one row tells of all; the date that it bears; tags of paths;
    # and chunks by their page.
    """
    alter table documents add column date text;
    alter table documents add column first_chunk integer;
    alter table documents add column chunk_count integer not null default 0;
    update documents set
        first_chunk = (select min(id) from chunks where document = documents.id),
        chunk_count = (select count(*) from chunks where document = documents.id);
    create table tags (path text not null, tag text not null, primary key (path, tag)) without rowid;
    create index chunks_page on chunks (document, page);
    drop index chunks_document;
    create index sources_modified on sources (document, mtime_ns);
    drop index sources_document;
    """,
)

SCHEMA_VERSION = len(_STEPS)


def crc32(text: str) -> int:
    """The checksum under which a text is kept."""
    return zlib.crc32(text.encode())


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the database at `path` up to `SCHEMA_VERSION` in one transaction, and keep a copy of an older one beside it.

    Raises `LibraryTooNew` rather than touch a newer one.
    """
    db.create_function("crc32", 1, crc32, deterministic=True)
    if 0 < _version(db) < SCHEMA_VERSION:
        _keep_copy(db, path.with_name(f"{path.stem}.schema{_version(db)}{path.suffix}"))
    if _version(db) < SCHEMA_VERSION:
        db.execute("begin immediate")
        try:
            if (version := _version(db)) < SCHEMA_VERSION:  # no other process took the steps while we waited
                for statement in ";".join(_STEPS[version:]).split(";"):
                    db.execute(statement)
                db.execute(f"pragma user_version = {SCHEMA_VERSION}")
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise
    if (version := _version(db)) > SCHEMA_VERSION:
        raise LibraryTooNew(
            f"{path.parent} was made by a newer Wellread (schema {version}, this one knows {SCHEMA_VERSION}).",
            hint="upgrade with: pip install --upgrade wellread",
        )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _keep_copy(db: sqlite3.Connection, path: Path) -> None:
    """A copy of the database as it is, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")  # another process may be keeping one, too
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary)) as copy:
        db.backup(copy)
    temporary.replace(path)
