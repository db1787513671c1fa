"""How many requests a minute tenants and their members may send, over all processes.

Processes share their counts in a store, which is Valkey or Redis. A process takes some requests at
once from the store, and counts those itself. Without a store, each process has an equal share.
"""
