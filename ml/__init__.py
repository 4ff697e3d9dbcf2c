"""The data scientist's half: from histories to features, models, scores and reports. No server, no clock."""
