"""Who is who: families of identifiers in tables, what a person decides about them, and what waits for one."""
