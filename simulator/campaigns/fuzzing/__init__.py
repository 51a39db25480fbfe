"""Fuzzing: many scenarios, run on and on, guided by which orders of conflicting operations were seen.

One process holds what is known (``campaign``): for each scenario a ``guide`` that proposes runs and learns from them,
and the ``corpus`` on disk. Batches of proposed runs are made by ``job``, wherever joblib puts it.
"""
