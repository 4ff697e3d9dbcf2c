"""PostgreSQL and Apache Kafka with one command, from Python packages alone: no Docker, no system Java."""
