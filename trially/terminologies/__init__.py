"""Terminologies: public code systems that the operator loads from the files of their publishers.

Each is one SQLite file that processes only read. It holds no PHI and belongs to no tenant.
"""
