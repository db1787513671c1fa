"""Send SQL to the current placement: session, engines, driver. Knows neither tenants nor HTTP."""
