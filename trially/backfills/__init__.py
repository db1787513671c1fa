"""Backfills: data migrations that change the rows of each tenant in batches, after the tables."""
