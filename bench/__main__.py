"""`python -m bench`."""

from bench.running import main

if __name__ == "__main__":
    main()
