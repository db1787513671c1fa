"""What tenants use, for their bills: exact counts of each day, and samples of requests.

At the end of a tenant's day, a job counts its rows in its own transaction (`jobs`). Processes add
up requests, database time and egress in memory, and send the sums to the catalog (`sampling`).
Both become rows of a day in the tenant's database, and a copy in the catalog (`copying`), from
which operators get the report of all tenants. Prices are not known here.
"""
