"""What is amiss with the servers and databases of the fleet, and how to mend it."""
