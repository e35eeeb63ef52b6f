"""Update rules, one family a file."""
