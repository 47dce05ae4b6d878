"""Groups of ``daxhound`` subcommands, each wired in one module.

What a command needs is imported by its run function: asking for help, or for a
prediction, takes less time than importing what a guest needs.
"""
