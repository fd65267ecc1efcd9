# SPDX-License-Identifier: Apache-2.0
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import fixtures  # noqa: E402

globals().update({name: getattr(fixtures, name) for name in fixtures.SHARED})
