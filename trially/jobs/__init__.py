"""Work that is too long for a request: rows of a tenant, which `flask worker` runs step by step.

A job is written in the transaction that wants it (`enqueuing`). The catalog holds one row for each
tenant, which says when a worker should look at the tenant again (`wakeups`). Workers visit tenants
in turn, claim one job at a time under a lease (`claiming`), and run its steps (`running`).
"""
