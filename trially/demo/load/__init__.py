"""A load over HTTP that keeps a ledger: no acknowledged write is lost, doubled or elsewhere.

`flask demo load` is its command. Tests and benchmarks use `running_load`.
"""

from trially.demo.load.findings import Amiss, Finding, Verdict
from trially.demo.load.running import Load, LoadedTenant, running_load
from trially.demo.load.traffic import Kind, Traffic, Wait

__all__ = [
    "Amiss",
    "Finding",
    "Kind",
    "Load",
    "LoadedTenant",
    "Traffic",
    "Verdict",
    "Wait",
    "running_load",
]
