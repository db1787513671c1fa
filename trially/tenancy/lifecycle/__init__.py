"""What is done to tenants: operations, provisioning, status, fleet migrations, silos."""
