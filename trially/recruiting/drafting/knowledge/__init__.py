"""Names, codes and units of what eligibility texts speak of. Reviewed tables, no terminology."""
