# SPDX-License-Identifier: Apache-2.0
"""Throughput of nginx and redis inside against native: on loopback, in the host's network namespace."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import filters
import measure
import peers
from world import OCI

NGINX = """daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {dir}/pid;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
uwsgi_temp_path {dir}; scgi_temp_path {dir}; server {{ listen 127.0.0.1:{port}; root {dir}/www; }} }}
"""


def _port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _nginx_program(world):
    """The program of the package, unpacked: installing it would make a service of it."""
    there = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if there:
        return there
    place = world.dir / "nginx"
    place.mkdir(exist_ok=True)
    os.chmod(world.dir, 0o755)
    measure.run(["apt-get", "download", "-q", "nginx"], cwd=place, timeout=60)
    for package in place.glob("*.deb"):
        measure.run(["dpkg-deb", "-x", str(package), str(place)])
    return str(place / "usr/sbin/nginx")


def _host_files(place):
    """The host's programs and libraries, read-only, and a directory for what the server writes."""
    def change(spec):
        bind = {"type": "bind", "options": ["rbind", "ro"]}
        spec["mounts"] += [{"destination": p, "source": p, **bind} for p in ("/usr", "/lib", "/lib64", "/etc")
                           if os.path.isdir(p)]
        spec["mounts"] += [{"destination": str(place), "source": str(place), "type": "bind", "options": ["rbind", "rw"]}]
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
        spec["linux"]["seccomp"] = filters.large()
    return change


def _rootfs(world, place):
    root = world.dir / world.name("root")
    for name in ("usr", "lib", "lib64", "etc", "proc", "dev", "sys", str(place).lstrip("/")):
        (root / name).mkdir(parents=True)
    return root


@contextlib.contextmanager
def _serving(argv, port):
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as server:
        try:
            for _ in range(200):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if server.poll() is not None:
                    raise measure.Failed(server.stderr.read().strip()[-300:])
                time.sleep(0.02)
            else:
                raise measure.Failed("does not listen")
            yield
        finally:
            server.terminate()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()


def _wrk(port, seconds):
    out = measure.run(["wrk", "-t1", "-c16", f"-d{seconds}s", f"http://127.0.0.1:{port}/page"], timeout=60)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def _redis(port, seconds):
    out = measure.run(["redis-benchmark", "-p", str(port), "-t", "get", "-c", "16", "-n", str(40000 * seconds), "--csv"],
                      timeout=120)
    return float(re.search(r'"GET","([\d.]+)"', out).group(1))


def _compare(world, run, table, row, argv, place, port, client):
    bundle = world.bundle(_host_files(place), args=argv, rootfs=_rootfs(world, place))
    best = {}
    for number in range(1 if world.quick else 4):
        for name in ("native", *(n for n in OCI if n in run.able)):
            run.progress(f"{row}, {name}, round {number + 1}")
            with _serving(argv if name == "native" else peers.start(world, name, bundle), port):
                best[name] = max(best.get(name, 0), client(port, 1 if world.quick else 3))
    table.put_all(row, best)


def _measure_nginx(world, run, table):
    place, port = world.dir / "nginx-run", _port()
    (place / "www").mkdir(parents=True)
    (place / "www" / "page").write_bytes(b"x" * 1024)
    (place / "conf").write_text(NGINX.format(dir=place, port=port))
    shutil.copy(_nginx_program(world), place / "nginx")
    argv = [str(place / "nginx"), "-e", "stderr", "-c", str(place / "conf"), "-g", "user root;"]
    _compare(world, run, table, "nginx, 1 KB page", argv, place, port, _wrk)


def _measure_redis(world, run, table):
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if not program:
        raise measure.Failed("redis-server is not installed")
    place, port = world.dir / "redis-run", _port()
    place.mkdir()
    # Debian's redis-tools brings the server, too: the name decides what it is.
    shutil.copy(pathlib.Path(program).resolve(), place / "redis-server")
    argv = [str(place / "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(place)]
    _compare(world, run, table, "redis, GET", argv, place, port, _redis)


def throughput(world, run):
    table = run.table("Throughput of servers, natively and inside", "requests a second",
                  "More is better; the best of several rounds. Fully confined, with the engines' seccomp profile, in the "
                  "host's network namespace; 16 connections on loopback.")
    table.attempt(world, "nginx", lambda: _measure_nginx(world, run, table))
    table.attempt(world, "redis", lambda: _measure_redis(world, run, table))
