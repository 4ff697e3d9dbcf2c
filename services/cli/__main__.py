"""`python -m services.cli`, the same as `touchstone`."""

from services.cli import main

main()
