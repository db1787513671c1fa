"""Custom fields: a tenant's own fields of patients, studies and sites."""
