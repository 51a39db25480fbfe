"""Where any program meets the simulator: its system calls, held by seccomp's user notification.

A process under a filter (``filter``) stops at each call that the filter names; a supervisor hears of it on a listener
(``listener``), looks at what the call is about (``arguments``), and says when it may go on, or with which error it
comes back. Linux only; seccomp_unotify(2).
"""
