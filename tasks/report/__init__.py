"""The report: a frozen tree of plain values in, one self-contained HTML file out."""
