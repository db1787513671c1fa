"""The identifiers of patients, as their sources send them."""
