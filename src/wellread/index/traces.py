"""Traces of answers, and what they rest on."""

from __future__ import annotations

import sqlite3

_GONE = """
        exists (
            select 1 from json_each(data, '$.answer.citations') c
            where json_extract(c.value, '$.document.id') not in (select id from documents)
        )
        or exists (
            select 1 from json_each(data, '$.answer.nearest') n where json_extract(n.value, '$.document') not in (select id from documents)
        )
        or exists (
            select 1 from json_each(data, '$.answer.ledger.sent') s where json_extract(s.value, '$.chunk') not in (select id from chunks)
        )
"""
"""Whether a trace holds words of a document, or of a version of one, that is no longer here: cited, shown, or put before the model."""

_STALE = f"""
    select id from traces where case when not json_valid(data) then 1 else
        {_GONE}
        or json_array_length(data, '$.request.history') > 0
    end
"""
"""The traces that hold such words, or may: those of a conversation hold its earlier answers, which may be of any document."""


def forget_traces(db: sqlite3.Connection) -> int:
    """Delete the traces that rest on what is no longer here; returns how many."""
    return db.execute(f"delete from traces where id in ({_STALE})").rowcount


def forget_if_gone(db: sqlite3.Connection, trace: str) -> None:
    """Delete a trace that was just written, if what it rests on was removed while the question was answered."""
    db.execute(f"delete from traces where id = ? and ({_GONE})", (trace,))
