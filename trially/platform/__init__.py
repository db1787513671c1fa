"""The platform API: tenants, operations, servers, plans, usage and upkeep, for operators' panels.

It shows no patient's data, and reaches no tenant's database. What it is asked for, a worker carries
out with the functions of the commands.
"""
