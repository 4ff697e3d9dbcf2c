"""`python -m bench.ml`."""

from bench.ml.running import main

if __name__ == "__main__":
    main()
