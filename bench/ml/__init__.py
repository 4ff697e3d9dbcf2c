"""Predictions and lists on real data, each figure beside its reference."""
