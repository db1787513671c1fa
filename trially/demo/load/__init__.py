"""A load over HTTP that keeps a ledger: no acknowledged write is lost, doubled or elsewhere.

`flask demo load` is its command. Tests and benchmarks use `running_load`.
"""

from trially.demo.load.findings import Finding, FindingKind, Verdict
from trially.demo.load.running import Load, LoadedTenant, running_load
from trially.demo.load.traffic import Kind, Traffic, Wait

__all__ = [
    "Finding",
    "FindingKind",
    "Kind",
    "Load",
    "LoadedTenant",
    "Traffic",
    "Verdict",
    "Wait",
    "running_load",
]
