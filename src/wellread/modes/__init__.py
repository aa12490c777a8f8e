"""How a chat model comes to an answer from what was found: in one go, source by source, in a tree, or as the best of several drafts."""
