"""The program that runs a scheduled command's words (`python -m services.cli.job`), and dies with the scheduler."""

from infra.process.supervisor import end_with_parent
from services.cli import main

if __name__ == "__main__":
    end_with_parent()
    main()
