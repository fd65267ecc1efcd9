# SPDX-License-Identifier: Apache-2.0
"""What a hostile program can tell the service manager of the host."""
import subprocess

from harness import TIMEOUT
from test_notify_socket import LIES, Manager


def test_a_program_can_not_name_the_managers_main_process(cay, bundle):
    """Whoever may write to the manager's socket says which process is the service, stops it, or fills its store of files."""
    path = cay.dir / "manager.sock"
    m = Manager(str(path))
    # Careless: the manager's own socket, bind-mounted.
    bundle.mount("/mnt/manager", type="bind", source=str(path), options=["bind"])
    bundle.process["env"].append("NOTIFY_SOCKET=/mnt/manager")
    assert set(cay.out(bundle.args("probe", "notify", "READY=1", *LIES[:5]), env=m.env).split()) == {"ok"}
    assert m.all() == ["READY=1", *LIES[:5]], "careless: every lie arrives, MAINPID=1 among them"
    assert "MAINPID=1" in LIES[:5]
    bundle.config["mounts"].pop()
    bundle.process["env"].pop()
    bundle.args("probe", "notify", *LIES, "READY=1").write()
    p = cay.popen("run", "-b", bundle.path, cay.id(), env=m.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert [m.message() for _ in range(3)] == ["READY=1", f"MAINPID={p.pid}", "BARRIER=1"]
    assert p.wait(TIMEOUT) == 0
    assert m.all() == []
    m.sock.close()
