"""What we know and decide: rules, projections, policies (pure), and the tables."""
