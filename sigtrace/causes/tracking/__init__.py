"""The process tracker: rows of a log in, endings and signals out, compiled if a C compiler is at hand."""
