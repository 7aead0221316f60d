"""What the filters cost: CPU per request in Envoy, scan speed, module size and load time."""
