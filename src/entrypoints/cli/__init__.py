"""The command line: `__main__` starts it, `group` lists the commands, one module for each topic."""
