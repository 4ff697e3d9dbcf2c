"""What is foretold of each customer beside churn: value, persona, related products. Each run is recorded as events."""
