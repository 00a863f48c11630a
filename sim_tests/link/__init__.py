"""The serial link, bit by bit: a model of the board, a table of scenarios on the line, and the testbench."""
