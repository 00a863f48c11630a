"""The commands, one module each. They parse options, call public functions, and print tables and JSON."""
