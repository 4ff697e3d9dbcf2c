"""HTTP out: customers, timelines, the pipeline and lists to read; opportunities to act on."""
