"""Documents from the web: a page, or the pages a site map lists, fetched politely and from public addresses only."""
