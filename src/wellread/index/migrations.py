"""The schema of `library.db`, as numbered steps. A step is never edited once released: a change is a new step at the end."""

from __future__ import annotations

import sqlite3

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
)

SCHEMA_VERSION = len(_STEPS)


def migrate(db: sqlite3.Connection, *, name: str) -> None:
    """Bring a database up to `SCHEMA_VERSION`, one transaction a step. Raises `LibraryTooNew` rather than touch a newer one."""
    while (version := _version(db)) < SCHEMA_VERSION:
        db.execute("begin immediate")
        try:
            if _version(db) == version:  # no other process took this step while we waited
                for statement in _STEPS[version].split(";"):
                    db.execute(statement)
                db.execute(f"pragma user_version = {version + 1}")
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise
    if version > SCHEMA_VERSION:
        raise LibraryTooNew(
            f"{name} was made by a newer Wellread (schema {version}, this one knows {SCHEMA_VERSION}).",
            hint="upgrade with: pip install --upgrade wellread",
        )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])
