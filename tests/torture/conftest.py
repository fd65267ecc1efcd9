# SPDX-License-Identifier: Apache-2.0
import importlib.util
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))
_spec = importlib.util.spec_from_file_location(
    "integration_conftest", os.path.join(os.path.dirname(__file__), "..", "integration", "conftest.py"))
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
for _name in ("pytest_sessionfinish", "pytest_runtest_makereport", "_runtime_is_there", "cay", "bundle"):
    globals()[_name] = getattr(_module, _name)
