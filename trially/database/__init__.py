"""Send SQL to the current placement: session, engines and driver. Independent of HTTP."""
