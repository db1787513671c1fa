"""What routes of rows have in common: lists, scopes, versions. Knows no resource."""
