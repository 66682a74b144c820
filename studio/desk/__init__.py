"""From take to record: what the Stems tab does, as work that outlives the page."""
