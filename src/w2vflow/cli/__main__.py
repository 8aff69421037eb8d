"""`python -m w2vflow.cli`."""

from w2vflow.cli import main

if __name__ == "__main__":
    main()
