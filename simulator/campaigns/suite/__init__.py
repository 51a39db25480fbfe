"""A project's scenarios and the failures that it keeps, run together: what CI does."""
