"""The profile ``nfs``: what the ranks of each node see of a server through the caches of a Linux NFS client.

The rules, with their sources, are in the modules beside this one: what is trusted how long (``clients``), who decides
about a name (``walking``), what a client does to names (``names``) and files (``files``), and what of two answers is a
choice (``decisions``). Everything of a rank's own node is coherent: its ranks share one client.

Left open, since nothing tells: delegations of NFSv4 (they only make answers fresher), mmap, byte-range locks, pages
that two nodes write of one file at the same time (here the last write wins as it came), credentials, and what stays of
a node that dies with files deleted while it had them open (here they go).
"""
