# SPDX-License-Identifier: Apache-2.0
"""What a scenario hands back: rows of cells by series. In JSON it is the dictionaries themselves."""
import measure


class Table:
    """@unit: of the values. @chart: bars, or stack for one bar of parts."""

    def __init__(self, title, unit, note="", chart="bars"):
        self.data = {"title": title, "unit": unit, "note": note, "chart": chart, "rows": {}, "absent": []}

    def put(self, row, series, value, **more):
        """A number, or what measure.describe made."""
        cell = dict(value) if isinstance(value, dict) else {"value": value}
        self.data["rows"].setdefault(row, {})[series] = {**cell, **more}

    def put_all(self, row, cells):
        for series, value in cells.items():
            self.put(row, series, value)

    def absent(self, name, reason):
        self.data["absent"].append({"name": name, "reason": reason})

    def attempt(self, world, name, function):
        """What can't be done is listed with its reason, and the rest goes on."""
        try:
            return function()
        except measure.Failed as failure:
            self.absent(name, world.hide(str(failure))[:300])
            return None
