"""How databases of older releases are brought up to date: scripts for Alembic.

On MariaDB each statement that changes a table is a transaction of its own: there a migration that
was interrupted is done again, so each of its steps sees whether it was done.
"""
