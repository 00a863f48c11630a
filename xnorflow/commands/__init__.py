"""The commands, a module each: options in, public functions called, tables and JSON out."""
