"""Events by signed HTTP requests (Standard Webhooks), from the same positions as everybody's."""
