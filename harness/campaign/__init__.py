"""The order of work: what is provided, booted, run, compared and recorded, and when."""
