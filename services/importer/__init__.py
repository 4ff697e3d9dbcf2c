"""Files to drafts to the gateway: history that another system left in CSV or Parquet."""
