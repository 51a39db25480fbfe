"""The comparison of strategies as a page, as Markdown, as an object, and on a terminal."""
