"""`python -m service` is the `fallline` command."""

from service.cli import main

if __name__ == "__main__":
    main()
