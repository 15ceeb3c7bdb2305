"""What the tests need beside Python packages, found or made: `python components.py [--all]`.

Everything made lies in `.cache/livekit` of the project. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[4]
CACHE: Final = PROJECT / ".cache" / "livekit"
HARNESS: Final = Path(__file__).resolve().parent
SERVER: Final = "github.com/livekit/livekit-server/cmd/server@v1.11.0"
TOXIPROXY: Final = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
NATS: Final = "github.com/nats-io/nats-server/v2@v2.11.4"
CLIENT: Final = "livekit-client@2.23.0"
PAGE: Final = PROJECT / "web" / "room"
BADGE: Final = PROJECT / "adapters" / "badge"
MLSERVER: Final = ("mlserver==1.7.1", "uvloop<0.22")  # it starts with no newer uvloop, and on Python 3.11
REFERENCE: Final = "dataspike-livekit-plugins==1.2.17"
ENABLE: Final = "make test-all"
"""The one command that makes or installs all that is missing, and runs everything."""


def livekit_server() -> Path | None:
    """Return the server's program: the one on PATH first, then the one built here."""
    return _program("livekit-server")


def toxiproxy() -> Path | None:
    """Return the proxy that disturbs connections: the one on PATH first, then the one built here."""
    return _program("toxiproxy-server")


def nats_server() -> Path | None:
    """Return the message broker: the one on PATH first, then the one built here."""
    return _program("nats-server")


def _program(name: str) -> Path | None:
    found = shutil.which(name)
    built = CACHE / "bin" / name
    return Path(found) if found else built if built.exists() else None


def chromium() -> Path | None:
    """Return the browser on PATH."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


def client_js() -> Path | None:
    """Return livekit-client as one script for a page."""
    script = CACHE / "web" / "node_modules" / "livekit-client" / "dist" / "livekit-client.umd.js"
    return script if script.exists() else None


def room_page() -> Path | None:
    """Return the built page of `ds-actors room`, unless one of its sources is newer."""
    built = PROJECT / "src" / "ds_actors" / "cli" / "_room" / "page" / "index.html"
    if not built.exists():
        return None
    sources = [*PAGE.glob("*.*"), *PAGE.glob("src/*"), *(PROJECT / "adapters" / "badge" / "src").glob("*")]
    return built.parent if all(path.stat().st_mtime <= built.stat().st_mtime for path in sources) else None


def axe() -> Path | None:
    """Return axe-core as one script for a page."""
    script = PAGE / "node_modules" / "axe-core" / "axe.min.js"
    return script if script.exists() else None


def badge_package() -> Path | None:
    """Return the badge's folder, once what its tests need is installed there."""
    return BADGE if (BADGE / "node_modules" / "typescript").exists() else None


def plugin_python() -> Path | None:
    """Return the Python whose `livekit.plugins.dataspike` is this project's, this one where it is installed here."""
    return Path(sys.executable) if importlib.util.find_spec("livekit.plugins.dataspike") else None


def reference_python() -> Path | None:
    """Return the Python of the environment that holds the plugin to replace, as PyPI has it."""
    python = CACHE / "reference" / "bin" / "python"
    return python if python.exists() else None


def mlserver() -> Path | None:
    """Return the model server that the tests of the Open Inference Protocol ask."""
    program = CACHE / "mlserver" / "bin" / "mlserver"
    return program if program.exists() else None


def build_server() -> None:
    """Build livekit-server with Go, which takes some minutes the first time."""
    _build(SERVER, "livekit-server", ready=", or download livekit-server: https://github.com/livekit/livekit/releases")


def build_toxiproxy() -> None:
    """Build toxiproxy-server with Go."""
    _build(TOXIPROXY, "toxiproxy-server")


def build_nats_server() -> None:
    """Build nats-server with Go."""
    _build(NATS, "nats-server", built="nats-server")


def _build(module: str, name: str, *, built: str = "server", ready: str = "") -> None:
    go = shutil.which("go")
    if go is None:
        sys.exit(f"{name}: neither {name} nor go is on PATH; install Go 1.25 or newer (https://go.dev/dl/){ready}")
    build = CACHE / "build"  # a GOBIN of its own: two of these modules call their programs `server`
    told = ["-v"] if sys.stderr.isatty() else []  # names each package: the first build takes minutes
    subprocess.run([go, "install", *told, module], env={**os.environ, "GOBIN": str(build), "GOFLAGS": ""}, check=True)
    (CACHE / "bin").mkdir(parents=True, exist_ok=True)
    (build / built).replace(CACHE / "bin" / name)


def fetch_client() -> None:
    """Fetch livekit-client with npm; no lock file, which would name a registry."""
    web = CACHE / "web"
    web.mkdir(parents=True, exist_ok=True)
    (web / "package.json").write_text("{}\n")
    command = [*_npm(), "install", "--silent", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", CLIENT]
    subprocess.run(command, cwd=web, check=True)


def build_page() -> None:
    """Build the page of `ds-actors room` with npm."""
    subprocess.run([*_npm(), "run", "--silent", "build"], cwd=_installed(PAGE), stdout=subprocess.DEVNULL, check=True)


def install_badge() -> None:
    """Install what the badge's tests need, with npm."""
    _installed(BADGE)


def _installed(folder: Path) -> Path:
    subprocess.run([*_npm(), "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return folder


def _npm() -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not on PATH; install Node.js 20.19 or newer")
    return [npm]


def sample_videos() -> Path | None:
    """Return the folder of the sample videos that the tests of scanning read."""
    place = Path(os.environ.get("FORENSICS_SAMPLES", "/usr/share/forensics-samples"))
    return place if (place / "original-files").exists() else None


def erlang() -> Path | None:
    """Return Erlang, whose supervisor is the oracle of this one."""
    found = shutil.which("erl")
    return Path(found) if found else None


def prometheus() -> Path | None:
    """Return Prometheus, which reads the alert rules and the dashboard."""
    found = shutil.which("prometheus") and shutil.which("promtool")
    return Path(found) if found else None


def install_packages() -> None:
    """Install Debian's chromium, forensics-samples-files, erlang-base and prometheus."""
    apt = shutil.which("apt-get")
    root = [] if os.geteuid() == 0 else ["sudo"]
    if apt is None or (root and not shutil.which("sudo")):
        sys.exit(
            "chromium, sample videos, Erlang, Prometheus: not all here, and no apt-get (as root or with sudo) for them"
        )
    packages = ["chromium", "forensics-samples-files", "erlang-base", "prometheus"]
    subprocess.run([*root, apt, "-qq", "update"], check=True)
    subprocess.run([*root, apt, "-qq", "install", "-y", "--no-install-recommends", *packages], check=True)


def make_reference() -> None:
    """Make the environment of the plugin to replace: one name, one import, so that it cannot share ours."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(PROJECT / ".cache" / "uv" / "bin" / "uv")
    place = CACHE / "reference"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place], check=True)
    python = str(place / "bin" / "python")
    # Pillow: its encoder needs it and does not ask for it.
    packages = [REFERENCE, "livekit-agents>=1.8.4", "pillow"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)


def make_mlserver() -> None:
    """Make the environment of MLServer; it shares no dependency with ours."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(PROJECT / ".cache" / "uv" / "bin" / "uv")
    place = CACHE / "mlserver"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", place], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), *MLSERVER], check=True)


def main() -> None:
    """Make what is missing and can be made without root; with --all the rest too; --reference for comparing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="also install Debian's packages, which needs root")
    parser.add_argument("--reference", action="store_true", help="also make the environment of 1.2.17")
    parser.add_argument("--room", action="store_true", help="only what `ds-actors room` needs: the server and the page")
    parser.add_argument("--page", action="store_true", help="only the page of `ds-actors room`")
    parser.add_argument("--server", action="store_true", help="only livekit-server")
    parser.add_argument("--try", action="store_true", dest="lenient", help="what cannot be made is left out silently")
    options = parser.parse_args()
    steps: list[tuple[Callable[[], Path | None], Callable[[], None]]] = [
        (livekit_server, build_server),
        (toxiproxy, build_toxiproxy),
        (nats_server, build_nats_server),
        (client_js, fetch_client),
        (lambda: axe() and room_page(), build_page),
        (badge_package, install_badge),
    ]
    if options.room:
        steps = [(livekit_server, build_server), (room_page, build_page)]
    if options.page:
        steps = [(room_page, build_page)]
    if options.server:
        steps = [(livekit_server, build_server)]
    if options.all:
        steps.append((lambda: chromium() and sample_videos() and erlang() and prometheus(), install_packages))
        steps.append((mlserver, make_mlserver))
    if options.reference:
        steps.append((reference_python, make_reference))
    failed: list[str] = []
    for find, make in steps:
        if find() is not None:
            continue
        if options.lenient and not shutil.which("npm" if make in (fetch_client, build_page, install_badge) else "go"):
            continue
        said = f"{make.__doc__}".split(";")[0].rstrip(".")
        print(f"{said} ...", file=sys.stderr, flush=True)  # noqa: T201 - a command
        try:
            make()
        except (subprocess.CalledProcessError, OSError) as error:
            failed.append(f"{make.__name__}: {error}")
    if failed and not options.lenient:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
