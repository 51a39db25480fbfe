"""One run at the size of a real job, and where its time and bytes went."""
