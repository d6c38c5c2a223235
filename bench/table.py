"""Rows of figures, printed for a terminal or as Markdown."""

HEAD = ("what", "figure", "ratio", "bar", "")


def figure(value, unit):
    """A number with as many digits as mean something, and its unit."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


class Table:
    def __init__(self):
        self.rows = []
        self.bars = []

    def add(self, what, value, unit, ratio="", bar="", passes=None):
        """passes: whether the bar is held; None when there is no bar."""
        verdict = "" if passes is None else "held" if passes else "MISSED"
        self.rows.append((what, figure(value, unit), ratio, bar, verdict))
        if passes is not None:
            self.bars.append(passes)

    def missed(self):
        return self.bars.count(False)

    def _padded(self, separator):
        lines = [HEAD, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
        for line in lines:
            yield separator.join(
                cell.rjust(w) if i == 1 else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(line, widths)))

    def text(self):
        lines = [line.rstrip() for line in self._padded("  ")]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def markdown(self):
        lines = [f"| {line} |" for line in self._padded(" | ")]
        return "\n".join([lines[0], "|---|--:|---|---|---|", *lines[1:]])
