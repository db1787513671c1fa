"""Units of measurement: which ones an analyte has, and how they are converted."""
