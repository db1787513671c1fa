"""HL7 v2 messages: ADT and ORU."""
