"""The command ``fmi`` and the specification's scripts: parse, call one function, format."""
