"""Import studies from ClinicalTrials.gov."""
