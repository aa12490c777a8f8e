"""Wellread's own interface, /api/v1: libraries, documents, questions, jobs, traces.

Here a field that there is not is an error, as everywhere in Wellread. Offsets count Unicode code points.
"""

from __future__ import annotations

from wellread.server import own_documents, own_jobs, own_libraries, own_questions, own_schemas, own_traces
from wellread.server.errors import openai_error
from wellread.server.exchange import Protocol, Route
from wellread.server.receiving import NAME_HEADER

_API = "/api/v1"
_BASE = _API + "/libraries"
_ONE = _BASE + "/{name}"
_LATEST = {"limit": "at most so many (20)"}

_LIBRARIES = (
    Route("GET", _BASE, own_libraries.libraries, "The libraries that are here.", returns=own_schemas.LIBRARIES),
    Route(
        "POST", _BASE, own_libraries.create, "Make a library.", writes=True,
        body=own_schemas.CREATE, status=201, returns=own_schemas.LIBRARY,
    ),
    Route("GET", _ONE, own_libraries.library, "One library.", returns=own_schemas.LIBRARY),
    Route("DELETE", _ONE, own_libraries.delete, "Delete a library, with its documents.", writes=True, returns=own_schemas.DELETED),
)  # fmt: skip
_DOCUMENTS = (
    Route(
        "GET", _ONE + "/documents", own_documents.documents, "The documents of a library, by title.",
        query=own_documents.PAGE, returns=own_schemas.DOCUMENTS,
    ),
    Route(
        "POST", _ONE + "/documents", own_documents.send, "Send files, which a job reads.", writes=True, media=own_schemas.FILES,
        headers={NAME_HEADER: "the file's name, percent-encoded, where the body is one file"},
        query=own_documents.SENT, status=202, returns=own_schemas.JOB,
    ),
    Route(
        "GET", _ONE + "/documents/{id}", own_documents.document, "A document, with its text or a part of it.",
        query=own_documents.SPAN, returns=own_schemas.DOCUMENT,
    ),
    Route(
        "DELETE", _ONE + "/documents/{id}", own_documents.delete, "Take a document out of a library, and its words out of answers.",
        writes=True, returns=own_schemas.DELETED,
    ),
)  # fmt: skip
_QUESTIONS = (
    Route(
        "POST", _ONE + "/search", own_questions.search, "The passages that match a query, and why.",
        body=own_schemas.SEARCH, returns=own_schemas.HITS,
    ),
    Route(
        "POST", _ONE + "/ask", own_questions.ask, "Answer a question; all of the answer, or events.",
        body=own_schemas.ASK, returns=own_schemas.ANSWER,
    ),
)  # fmt: skip
_JOBS = (
    Route(
        "POST", _ONE + "/sync", own_jobs.sync, "Bring a library into step with its files, or add a folder to it.", writes=True,
        body=own_schemas.SYNC, status=202, returns=own_schemas.JOB,
    ),
    Route(
        "POST", _ONE + "/evaluate", own_jobs.evaluate, "Put questions to a library, and score its answers.", writes=True,
        body=own_schemas.EVALUATE, status=202, returns=own_schemas.JOB,
    ),
    Route("GET", _API + "/jobs", own_jobs.jobs, "Your latest jobs.", query=_LATEST, returns=own_schemas.JOBS),
    Route("GET", _API + "/jobs/{id}", own_jobs.job, "How far a job is, and what came of it.", returns=own_schemas.JOB),
    Route("GET", _API + "/jobs/{id}/events", own_jobs.watch, "The same, as events while it goes on."),
    Route("DELETE", _API + "/jobs/{id}", own_jobs.cancel, "Cancel a job, or forget one that is over.", writes=True),
)  # fmt: skip
_TRACES = (
    Route("GET", _ONE + "/traces", own_traces.traces, "The latest questions.", query=_LATEST, returns=own_schemas.TRACES),
    Route("GET", _ONE + "/traces/{id}", own_traces.trace, "How an answer came about.", returns=own_schemas.TRACE),
    Route(
        "POST", _ONE + "/traces/{id}/feedback", own_traces.feedback, "Say what you think of an answer.", writes=True,
        body=own_schemas.FEEDBACK, returns=own_schemas.NOTED,
    ),
    Route(
        "GET", _API + "/traces", own_traces.all_traces, "Your latest requests to models, and questions of libraries.",
        query=_LATEST, returns=own_schemas.TRACES,
    ),
    Route("GET", _API + "/traces/{id}", own_traces.any_trace, "How a request went.", returns=own_schemas.TRACE),
    Route(
        "POST", _API + "/traces/{id}/feedback", own_traces.any_feedback, "Say what you think of a model's answer.", writes=True,
        body=own_schemas.FEEDBACK, returns=own_schemas.NOTED,
    ),
)  # fmt: skip

OWN = Protocol(_API, (*_LIBRARIES, *_DOCUMENTS, *_QUESTIONS, *_JOBS, *_TRACES), openai_error)
