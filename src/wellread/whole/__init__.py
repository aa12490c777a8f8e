"""Questions about whole documents: summarise, compare, list all, how many. They are answered from all of a text, not from what a search
finds."""
