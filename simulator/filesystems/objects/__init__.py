"""Object stores as file systems show them: keys under which whole objects are put, and directories that are not there.

What all of them have in common: an object appears whole when its file is closed, replacing what was under the key; a
listing is what there is. They differ in the rest, which is what the options say: see ``ObjectOptions``, whose
docstrings name the sources.

Left open, since nothing tells: what a node sees in listings of files that it has not closed yet (here nothing), modes
and owners (here kept), the errno of a write after a sync has completed an upload (here EIO), and a removal of a
directory that lists and deletes in two steps (here in one). A mount that dies with its node publishes what it held,
as one whose process alone has died does.
"""
