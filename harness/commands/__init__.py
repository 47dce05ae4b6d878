"""Groups of ``daxhound`` subcommands, each wired in one module."""
