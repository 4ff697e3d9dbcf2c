"""The journal as Parquet, for data scientists and for training."""
