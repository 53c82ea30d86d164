"""`python -m residerm`: the same as the command `residerm`."""

from residerm.cli import main

if __name__ == "__main__":
    main()
