"""Taking documents out of a library by path, folder, address or id, and seeing to it that a later sync leaves them out."""

from __future__ import annotations

from pathlib import Path

from wellread.errors import UsageError
from wellread.index.store import Store
from wellread.places import source_path
from wellread.web.address import canonical, is_address


def remove(store: Store, what: str) -> int:
    """Remove what is called so; returns how many documents went. Raises `UsageError` when nothing is.

    What lies in a folder that is followed is excluded from later syncs. The caller holds the right to write.
    """
    if not what.strip():
        raise UsageError("nothing to remove.", hint="name a path, a folder or an id; see `wellread list`")
    return _remove_site(store, canonical(what)) if is_address(what) else _remove_files(store, what)


def _remove_files(store: Store, what: str) -> int:
    path = source_path(what)
    sources = store.sources()
    paths = [source for source in sources if Path(source).is_relative_to(path)]
    roots = [root for root in store.roots() if not is_address(root) and Path(root).is_relative_to(path)]
    failures = [failure for failure in store.failures() if Path(failure).is_relative_to(path)]
    named = [str(path)]
    if not (paths or roots or failures) and len(what) >= 6:
        named = paths = [source.path for source in sources.values() if source.document.startswith(what)]
    if not (paths or roots or failures):
        raise _unknown(store, what)
    for root in roots:
        store.remove_root(root)
    followed = [Path(root) for root in store.roots() if not is_address(root)]
    out = [one for one in named if any(Path(one).is_relative_to(root) for root in followed)]
    store.set_excluded(out, excluded=True)
    store.forget_failures(failures)
    store.tags.forget(named)
    return store.unlink(paths)


def _remove_site(store: Store, url: str) -> int:
    """Remove a page of the web, or everything that a site map led to."""
    pages = [page.url for page in store.web_pages().values() if url in (page.url, page.root)]
    if not pages and url not in store.roots():
        raise _unknown(store, url)
    store.remove_root(url)
    store.tags.forget([url])
    return store.unlink(pages)


def _unknown(store: Store, what: str) -> UsageError:
    return UsageError(f"nothing in {store.path.parent} is called {what}.", hint="see `wellread list`")
