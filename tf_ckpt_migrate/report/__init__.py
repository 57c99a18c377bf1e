"""How results look: plain text in a pipe, colours and columns on a terminal, JSON."""
