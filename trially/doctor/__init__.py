"""`flask doctor`: check every server and database of the fleet, and print remedies."""
