"""What stands for ``torch.distributed`` on a rank: its own process groups, whose collectives are the simulator's.

Torch's own functions run in the rank's name, so their checks, messages and the order of what they are made of are the
real ones (``all_gather_object`` is two all-gathers). What they look up is the rank's (``world``), and the groups that
they find there (``process_group``) hand collectives over instead of giving them to gloo.
"""
