"""The commands: one file a command, each with an `app` (typer) or a `command` function.

In: what the operator typed. Out: lines, tables, JSON. A command talks to the supervisor's socket or to the API and holds no
rule of its own. `main.py` is the table of commands; a command's file is imported only when it is called. Read it first.
"""
