"""The serial link, bit by bit: a model of the board, a table of what the line may do, and the testbench."""
