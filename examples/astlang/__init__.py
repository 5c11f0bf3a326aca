"""A small dynamic language, interpreted by walking its syntax tree."""
