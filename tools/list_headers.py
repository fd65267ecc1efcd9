#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print every header under src/: what cay-init must be rebuilt for."""
import pathlib

root = pathlib.Path(__file__).resolve().parent.parent / "src"
print("\n".join(str(p) for p in sorted(root.rglob("*.h"))))
