"""What each node sees of a file system: layers over the POSIX model, in which a node may see less than there is."""
