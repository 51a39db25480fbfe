"""One rank of a large job for real: its shard on an accelerator, copied, saved, timed, and read back.

Everything here runs on the processor too (``device="cpu"``), so that it can be tried and tested where there is no
accelerator; what would then not be measured is left out.
"""

from simulator.campaigns.accelerator.campaign import DeviceReport, run_on_device

__all__ = ["DeviceReport", "run_on_device"]
