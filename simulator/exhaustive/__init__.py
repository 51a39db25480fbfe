"""Every class of interleavings, each once: optimal dynamic partial-order reduction, and what is judged of each."""
