"""Names as pure strings: grammar, rules, assignment maps and plans."""
